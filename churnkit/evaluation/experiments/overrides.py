"""What people said of the engine's decisions: approved, rejected, snoozed, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ActionOverrides", "count_overrides"]

_TOP_REASONS = 5
_NEEDED = ("key", "action", "verdict", "about", "why")


@dataclass(frozen=True, slots=True)
class ActionOverrides:
    """How an action's recommendations were taken.

    Attributes
    ----------
    action
        Its name.
    recommended
        To how many customers, in how many decisions.
    approved, rejected, snoozed
        How many of them people said so of; the newest word counts.
    reasons
        What they gave as reasons for rejecting or snoozing, and how often, the most frequent
        first; those given once are counted together as ``"other"``, since words that one person
        wrote once may tell of one customer.
    """

    action: str
    recommended: int
    approved: int
    rejected: int
    snoozed: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def silent(self) -> int:
        """How many nobody spoke of."""
        return self.recommended - self.approved - self.rejected - self.snoozed

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return asdict(self) | {"silent": self.silent, "reasons": dict(self.reasons)}


def count_overrides(decisions: pa.Table) -> tuple[ActionOverrides, ...]:
    """Count verdicts by action; nothing if nobody spoke.

    Parameters
    ----------
    decisions
        `Journal.decisions` as an Arrow table, by time.

    Examples
    --------
    >>> import pyarrow as pa
    >>> rows = [
    ...     {"key": "a", "action": "call", "verdict": "decide", "about": None, "why": None},
    ...     {"key": "b", "action": None, "verdict": "reject", "about": "a", "why": "on leave"},
    ... ]
    >>> count_overrides(pa.Table.from_pylist(rows))[0].rejected
    1
    """
    if not set(_NEEDED) <= set(decisions.column_names):
        return ()
    rows = decisions.select(_NEEDED).to_pylist()
    decided = (row for row in rows if row["verdict"] == "decide")
    action_of = {row["key"]: row["action"] for row in decided if row["action"]}
    newest = {row["about"]: row for row in rows if row["verdict"] != "decide"}
    said = {key: row for key, row in newest.items() if key in action_of}
    if not said:
        return ()
    found = []
    for action in sorted(set(action_of.values())):
        words = [row for key, row in said.items() if action_of[key] == action]
        kinds = Counter(row["verdict"] for row in words)
        why = Counter(
            " ".join(str(row["why"]).lower().split())
            for row in words
            if row["verdict"] != "approve"
        )
        often = [(text, count) for text, count in why.most_common(_TOP_REASONS) if count > 1]
        other = sum(why.values()) - sum(count for _, count in often)
        found.append(
            ActionOverrides(
                action,
                sum(name == action for name in action_of.values()),
                kinds["approve"],
                kinds["reject"],
                kinds["snooze"],
                (*often, *([("other", other)] if other else [])),
            )
        )
    return tuple(found)
