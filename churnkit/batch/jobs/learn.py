"""Update a ranking's bandit from logged decisions and outcomes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.parts.bandit_versions import BanditState, newest_state, read_state, write_state
from churnkit.contracts.parsing.cell_parsers import compile_cell_parser
from churnkit.core.result import Result

if TYPE_CHECKING:
    import os

    from churnkit.bundle.model import RetentionModel
    from churnkit.decisions import CompiledRanking
    from churnkit.journal import Journal
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["LearnReport", "learn"]

# Rows per update; bounds the memory of their products with option features.
_CHUNK_ROWS = 50_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LearnReport(Result):
    """Result of an update of the bandit.

    Parameters
    ----------
    state
        Number of the newest state; None if there is none yet.
    path
        File of the new state; None if there were no new decisions.
    decisions
        Number of shown options that were learned from.
    options
        Name, count and mean reward of each shown option.
    left_out
        Number of skipped entries by reason.
    since, until
        Half-open range of decision times.
    """

    state: int | None
    path: str | None
    decisions: int
    options: tuple[dict[str, Any], ...]
    left_out: dict[str, int]
    since: datetime
    until: datetime


def learn(
    model: RetentionModel,
    journal: Journal,
    folder: str | os.PathLike[str],
    *,
    now: datetime,
    anew: bool = False,
) -> LearnReport:
    """Update the bandit from observed outcomes, and write its next state.

    Each decision is used once, when its window for outcomes is over. Its reward is the sum of its
    outcomes of the ranking's kind within `Ranking.days`; without outcomes it is zero.

    Parameters
    ----------
    model
        Model from `churnkit.load` with a `Ranking` in its recipe.
    journal
        Journal of decisions and outcomes.
    folder
        Folder of the states; created if missing.
    now
        Current time; decisions are used when they are `Ranking.days` old.
    anew
        Start from the state of the bundle and the whole journal, for example after a change of
        columns, late outcomes, or an erasure.

    Returns
    -------
    LearnReport
        Number and file of the new state, and the counts of used and skipped entries.

    Raises
    ------
    RecipeError
        If the model has no ranking.
    BundleError
        If the newest state is of other columns, or the next cannot be written.
    """
    compiled = model.compiled_ranking
    days = timedelta(days=compiled.ranking.days)
    before, since = _start(model, compiled, folder, anew=anew)
    until = max(now.astimezone(UTC) - days, since)
    logged = _LoggedOptions.read(journal, model.name, since=since, until=until, compiled=compiled)
    reward = logged.rewards(journal, compiled.ranking.outcome, days)
    bandit = logged.update(before.bandit, reward)
    number, path = before.number or None, None
    if logged.keys:
        number = before.number + 1
        after = BanditState(bandit, until, number)
        path = str(write_state(folder, after, compiled, name=model.name))
    return LearnReport(
        number,
        path,
        len(logged.keys),
        logged.by_option(reward),
        dict(logged.left_out),
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
    return BanditState(model.ranker.bandit, _EPOCH, number), _EPOCH


@dataclass
class _LoggedOptions:
    """Shown options, one row each."""

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
    ) -> _LoggedOptions:
        logged = cls()
        # Verdicts are recorded after their decisions, so the range has no end.
        rows = journal.decisions(since=since, policy=policy)
        table = rows.select(["key", "decided_at", "action", "capped", "verdict", "about", "detail"])
        entries = table.to_pylist()
        rejected = {e["about"] for e in entries if e["verdict"] in {"reject", "snooze"}}
        cells = [
            (column.name, compile_cell_parser(column, lenient=True)) for column in compiled.columns
        ]
        width = compiled.option_features.shape[1]
        for entry in entries:
            if entry["verdict"] != "decide" or entry["decided_at"] >= until:
                continue
            if entry["capped"]:
                logged.left_out["stopped by a contact limit"] += 1
            elif entry["action"] is None:
                logged.left_out["nothing was shown"] += 1
            elif entry["key"] in rejected:
                logged.left_out["rejected by a person"] += 1
            else:
                logged._add(entry, cells, width)
        return logged

    def _add(self, entry: dict[str, Any], cells: list[tuple[str, Any]], width: int) -> None:
        detail = json.loads(entry["detail"] or "{}")
        row, features = detail.get("row"), detail.get("features")
        if not isinstance(row, dict) or not isinstance(features, list):
            self.left_out["not from a ranking"] += 1
        elif len(features) != width:
            self.left_out["other option features"] += 1
        else:
            self.keys.append(entry["key"])
            self.at.append(entry["decided_at"])
            self.options.append(entry["action"])
            self.customers.append([_to_number(parse(row.get(name))) for name, parse in cells])
            self.features.append([float(number) for number in features])

    def rewards(self, journal: Journal, kind: str, days: timedelta) -> np.ndarray[Any, Any]:
        """Return the sum of the outcomes of each shown option, (n,)."""
        reward = np.zeros(len(self.keys))
        if not self.keys:
            return reward
        index = {key: i for i, key in enumerate(self.keys)}
        outcomes = journal.outcomes(since=min(self.at), until=max(self.at) + days, kind=kind)
        for outcome in outcomes.select(["decision", "value", "observed_at"]).to_pylist():
            i = index.get(outcome["decision"])
            if i is not None and self.at[i] <= outcome["observed_at"] < self.at[i] + days:
                reward[i] += outcome["value"]
        return reward

    def update(self, bandit: LinearBandit, reward: np.ndarray[Any, Any]) -> LinearBandit:
        from churnkit.models.bandit.linear import BanditBatch

        for start in range(0, len(self.keys), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
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


def _to_number(cell: Any) -> float:
    """Return a parsed cell; a value that violates the contract counts as missing."""
    return cell if cell.__class__ is float else float("nan")
