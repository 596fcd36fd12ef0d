"""Verdicts of people on recommended actions: approved, rejected, snoozed, with reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.result import Result

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ActionOverrides", "count_overrides"]

_TOP_REASONS = 5
_COLUMNS = ("key", "action", "verdict", "about", "why")


@dataclass(frozen=True, slots=True)
class ActionOverrides(Result):
    """Counts of people's verdicts on an action's recommendations.

    Parameters
    ----------
    action
        Name of the action.
    recommended
        Number of decisions that recommended it.
    approved, rejected, snoozed
        Number of them with this as the latest verdict.
    reasons
        Reasons for rejecting or snoozing with their counts, most frequent first. Reasons given
        once are counted as ``"other"``, since a unique text could identify a customer.
    """

    action: str
    recommended: int
    approved: int
    rejected: int
    snoozed: int
    reasons: tuple[tuple[str, int], ...]

    @property
    def unreviewed(self) -> int:
        """Number of recommendations without a verdict."""
        return self.recommended - self.approved - self.rejected - self.snoozed

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return asdict(self) | {"unreviewed": self.unreviewed, "reasons": dict(self.reasons)}


def count_overrides(decisions: pa.Table) -> tuple[ActionOverrides, ...]:
    """Count verdicts by action; empty if there are no verdicts.

    Parameters
    ----------
    decisions
        `Journal.decisions` as an Arrow table, by time.

    Returns
    -------
    tuple of ActionOverrides
        Counts of each action.

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
    import pyarrow as pa
    import pyarrow.compute as pc

    if not set(_COLUMNS) <= set(decisions.column_names):
        return ()
    is_decision = pc.equal(decisions["verdict"], "decide")
    reviewed = decisions.filter(pc.invert(is_decision)).select(_COLUMNS).to_pylist()
    if not reviewed:
        return ()
    decided = decisions.select(["key", "action"]).filter(is_decision)
    decided = decided.filter(pc.fill_null(pc.not_equal(decided["action"], ""), False))
    recommended = Counter(
        {item["values"]: item["counts"] for item in pc.value_counts(decided["action"]).to_pylist()}
    )
    latest = {row["about"]: row for row in reviewed}
    about = decided.filter(pc.is_in(decided["key"], value_set=pa.array(latest, pa.string())))
    action_of = dict(zip(about["key"].to_pylist(), about["action"].to_pylist(), strict=True))
    reviews = {key: row for key, row in latest.items() if key in action_of}
    if not reviews:
        return ()
    overrides = []
    for action in sorted(recommended):
        verdicts = [row for key, row in reviews.items() if action_of[key] == action]
        count = Counter(row["verdict"] for row in verdicts)
        reasons = Counter(
            " ".join(str(row["why"]).lower().split())
            for row in verdicts
            if row["verdict"] != "approve"
        )
        frequent = [(text, n) for text, n in reasons.most_common(_TOP_REASONS) if n > 1]
        other = sum(reasons.values()) - sum(n for _, n in frequent)
        overrides.append(
            ActionOverrides(
                action,
                recommended[action],
                count["approve"],
                count["reject"],
                count["snooze"],
                (*frequent, *([("other", other)] if other else [])),
            )
        )
    return tuple(overrides)
