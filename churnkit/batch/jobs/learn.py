"""Learn from the journal what the options of a ranking are worth: one step, as often as wished."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.parts.bandit_versions import BanditState, newest_state, read_state, write_state
from churnkit.contracts.parsing.cell_parsers import compile_cell_parser

if TYPE_CHECKING:
    import os

    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions import CompiledRanking
    from churnkit.journal import Journal
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["LearnReport", "learn"]

# Rows that are learned from at once: bounds the memory of their products with option features.
_GROUP = 50_000
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LearnReport:
    """What was learned.

    Parameters
    ----------
    state
        The number of the newest state; None where there is none yet.
    path
        Where it was written; None if there was nothing new.
    decisions
        How many shown options were learned from.
    options
        For each option that was shown: name, how often, and the mean reward.
    left_out
        How many were left out, by reason.
    since, until
        Decisions at or after the one and before the other.
    """

    state: int | None
    path: str | None
    decisions: int
    options: tuple[dict[str, Any], ...]
    left_out: dict[str, int]
    since: datetime
    until: datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able data."""
        return {
            "state": self.state,
            "path": self.path,
            "decisions": self.decisions,
            "options": list(self.options),
            "left_out": self.left_out,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
        }


def learn(
    model: RetentionModel,
    journal: Journal,
    folder: str | os.PathLike[str],
    *,
    now: datetime,
    anew: bool = False,
) -> LearnReport:
    """Learn from the decisions whose time for an outcome is over, and write the next state.

    A decision is learned from once. Its reward is the sum of its outcomes of the ranking's kind
    within `Ranking.days`; none is a reward of zero.

    Parameters
    ----------
    model
        From `churnkit.load`; its recipe must name a `Ranking`.
    journal
        What was shown, and what came of it.
    folder
        Where the states are; made if it is not there.
    now
        The present; decisions are learned from when they are `Ranking.days` old.
    anew
        Start from the state of the bundle and the whole journal, as after other columns were
        chosen, late outcomes, or an erasure.

    Raises
    ------
    RecipeError
        If the model ranks nothing.
    BundleError
        If the newest state was learned from other columns, or the next cannot be written.
    """
    compiled = model.compiled_ranking
    days = timedelta(days=compiled.ranking.days)
    before, since = _start(model, compiled, folder, anew=anew)
    until = max(now.astimezone(UTC) - days, since)
    shown = _Shown.read(journal, model.name, since=since, until=until, compiled=compiled)
    reward = shown.rewards(journal, compiled.ranking.outcome, days)
    bandit = shown.taught(before.bandit, reward)
    number, path = before.number or None, None
    if shown.keys:
        number = before.number + 1
        after = BanditState(bandit, until, number)
        path = str(write_state(folder, after, compiled, name=model.name))
    return LearnReport(
        number,
        path,
        len(shown.keys),
        shown.by_option(reward),
        dict(shown.left_out),
        since,
        until,
    )


def _start(
    model: RetentionModel,
    compiled: CompiledRanking,
    folder: str | os.PathLike[str],
    *,
    anew: bool,
) -> tuple[BanditState, datetime]:
    newest = newest_state(folder)
    if newest is not None and not anew:
        state = read_state(newest, compiled)
        return state, state.until
    number = 0 if newest is None else int(newest.name)
    return BanditState(model.ranker.bandit, _BEGINNING, number), _BEGINNING


@dataclass
class _Shown:
    """Options that were shown, one row each."""

    keys: list[str] = field(default_factory=list)
    at: list[datetime] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    customers: list[list[float]] = field(default_factory=list)
    features: list[list[float]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(
        cls,
        journal: Journal,
        policy: str,
        *,
        since: datetime,
        until: datetime,
        compiled: CompiledRanking,
    ) -> _Shown:
        found = cls()
        # A verdict stands in the journal after the decision that it is about.
        rows = journal.decisions(since=since, policy=policy)
        table = rows.select(["key", "decided_at", "action", "capped", "verdict", "about", "detail"])
        entries = table.to_pylist()
        turned_down = {e["about"] for e in entries if e["verdict"] in {"reject", "snooze"}}
        cells = [
            (column.name, compile_cell_parser(column, lenient=True)) for column in compiled.columns
        ]
        width = compiled.option_features.shape[1]
        for entry in entries:
            if entry["verdict"] != "decide" or entry["decided_at"] >= until:
                continue
            if entry["capped"]:
                found.left_out["stopped by a contact limit"] += 1
            elif entry["action"] is None:
                found.left_out["nothing was shown"] += 1
            elif entry["key"] in turned_down:
                found.left_out["turned down by a person"] += 1
            else:
                found._add(entry, cells, width)
        return found

    def _add(self, entry: dict[str, Any], cells: list[tuple[str, Any]], width: int) -> None:
        detail = json.loads(entry["detail"] or "{}")
        row, features = detail.get("row"), detail.get("features")
        if not isinstance(row, dict) or not isinstance(features, list):
            self.left_out["not of a ranking"] += 1
        elif len(features) != width:
            self.left_out["an option of other features"] += 1
        else:
            self.keys.append(entry["key"])
            self.at.append(entry["decided_at"])
            self.options.append(entry["action"])
            self.customers.append([_code(cell(row.get(name))) for name, cell in cells])
            self.features.append([float(number) for number in features])

    def rewards(self, journal: Journal, kind: str, days: timedelta) -> np.ndarray[Any, Any]:
        """Sum up the outcomes of each shown option, (n,)."""
        reward = np.zeros(len(self.keys))
        if not self.keys:
            return reward
        place = {key: at for at, key in enumerate(self.keys)}
        outcomes = journal.outcomes(since=min(self.at), until=max(self.at) + days, kind=kind)
        for one in outcomes.select(["decision", "value", "observed_at"]).to_pylist():
            at = place.get(one["decision"])
            if at is not None and self.at[at] <= one["observed_at"] < self.at[at] + days:
                reward[at] += one["value"]
        return reward

    def taught(self, bandit: LinearBandit, reward: np.ndarray[Any, Any]) -> LinearBandit:
        from churnkit.models.bandit.linear import BanditBatch

        for start in range(0, len(self.keys), _GROUP):
            part = slice(start, start + _GROUP)
            count = len(self.keys[part])
            bandit = bandit.update(
                BanditBatch(
                    np.array(self.customers[part], dtype=np.float64).reshape(count, -1),
                    self.options[part],
                    np.array(self.features[part], dtype=np.float64).reshape(count, -1),
                    reward[part],
                )
            )
        return bandit

    def by_option(self, reward: np.ndarray[Any, Any]) -> tuple[dict[str, Any], ...]:
        names = np.array(self.options, dtype=object)
        return tuple(
            {
                "option": name,
                "shown": int((names == name).sum()),
                "mean_reward": float(reward[names == name].mean()),
            }
            for name in sorted(set(self.options))
        )


def _code(answer: Any) -> float:
    """Read a cell as the contract does; what breaks a rule by now counts as missing."""
    return answer if answer.__class__ is float else float("nan")
