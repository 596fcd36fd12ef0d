"""Segments of scored customers: value and risk, and the groups that leave far more than others."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.insights.customer_base import decoded, shown_action
from churnkit.insights.figure import Z95

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from churnkit.insights.customer_base import Base

__all__ = ["Segment", "find_groups", "segments_to_frame", "summed", "value_risk"]

FEWEST = 5
"""Segments with fewer customers are not shown."""
_MOST_LEVELS = 12
_LEAST_LIFT = 1.3
_FEWEST_IN_GROUP = 30


@dataclass(frozen=True, slots=True)
class Segment:
    """Some customers, summed up.

    Parameters
    ----------
    name
        Made of their traits.
    customers, share
        How many, and of all.
    churn
        Mean predicted probability of churn.
    observed
        Share that really left; None where that is not known.
    value
        What they are worth a period together, in money; None without a value.
    at_risk
        Sum of value times probability.
    action, gain
        The action that gains most among them, and its expected gain; empty and 0 without one.
    rows
        Which customers, (n,); not part of `to_dict`.
    """

    name: str
    customers: int
    share: float
    churn: float
    observed: float | None
    value: float | None
    at_risk: float | None
    action: str
    gain: float
    rows: NDArray[np.bool_] = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the segment as JSON-able data, without its customers."""
        return {name: getattr(self, name) for name in Segment.__slots__ if name != "rows"}


def segments_to_frame(segments: Sequence[Segment]) -> pd.DataFrame:
    """Return a pandas frame, one row a segment."""
    import pandas as pd

    return pd.DataFrame([segment.to_dict() for segment in segments])


def summed(base: Base, name: str, rows: NDArray[np.bool_]) -> Segment:
    """Sum some customers up."""
    count = int(rows.sum())
    action, gain = shown_action(base.planned, rows)
    at_risk = base.at_risk
    return Segment(
        name,
        count,
        count / max(len(base), 1),
        float(base.probability[rows].mean()) if count else 0.0,
        None if base.churned is None or not count else float(base.churned[rows].mean()),
        None if base.value is None else float(base.value[rows].sum()),
        None if at_risk is None else float(at_risk[rows].sum()),
        action,
        gain,
        rows,
    )


_RISKS = ("high risk", "medium risk", "low risk")
_VALUES = ("high value", "medium value", "low value")
_ADVICE = {
    ("high value", "high risk"): "Save first",
    ("high value", "medium risk"): "Look after",
    ("high value", "low risk"): "Keep and grow",
    ("medium value", "high risk"): "Save where it pays",
    ("medium value", "medium risk"): "Watch",
    ("medium value", "low risk"): "Grow",
    ("low value", "high risk"): "Let a cheap action decide",
    ("low value", "medium risk"): "Watch at no cost",
    ("low value", "low risk"): "Leave in peace",
}


def value_risk(base: Base) -> tuple[Segment, ...]:
    """Cross thirds of value with three levels of risk; nine segments, the most urgent first.

    High risk is 1.5 times the mean probability or more, low risk below three quarters of it.
    Without a value there is nothing to cross, and the result is empty.
    """
    if base.value is None or not len(base):
        return ()
    low, high = np.quantile(base.value, [1 / 3, 2 / 3])
    worth = np.where(base.value > high, 0, np.where(base.value > low, 1, 2))
    mean = float(base.probability.mean())
    p = base.probability
    risk = np.where(p >= 1.5 * mean, 0, np.where(p >= 0.75 * mean, 1, 2))
    found = []
    for v, value in enumerate(_VALUES):
        for r, level in enumerate(_RISKS):
            name = f"{_ADVICE[value, level]}: {value}, {level}"
            found.append(summed(base, name, (worth == v) & (risk == r)))
    return tuple(found)


def find_groups(base: Base, *, top: int = 5) -> tuple[Segment, ...]:
    """Find pairs of traits whose holders leave far more often than either trait alone explains.

    Traits are categories and yes/no columns: who customers are, not what they did. A pair is
    kept if its churn lies above everybody's by a factor of 1.3 and if the two traits together
    raise the log-odds by more than each does alone, ``logit(both) - logit(first only) -
    logit(second only) + logit(neither)``, beyond chance at the 5% level after as many looks as
    there were pairs (Bonferroni). Of pairs with nearly the same customers the stronger one stays.

    Parameters
    ----------
    base
        Scored customers; who really left is used where it is known.
    top
        How many at most, those farthest beyond chance first.
    """
    outcome = base.probability if base.churned is None else base.churned
    overall = float(outcome.mean()) if len(base) else 0.0
    traits = list(_traits(base))
    pairs = [
        (one, two) for one, two in combinations(traits, 2) if one[0] != two[0]
    ]  # fmt: skip
    limit = _limit(len(pairs))
    scored = []
    for (_, first, first_rows), (_, second, second_rows) in pairs:
        rows = first_rows & second_rows
        count = int(rows.sum())
        if count < _FEWEST_IN_GROUP:
            continue
        rate = float(outcome[rows].mean())
        if rate < _LEAST_LIFT * overall:
            continue
        beyond = _interaction(outcome, first_rows, second_rows)
        if beyond > limit:
            scored.append((beyond, f"{first}, {second}", rows))
    scored.sort(key=lambda one: (-one[0], one[1]))
    kept: list[tuple[str, NDArray[np.bool_]]] = []
    for _, name, rows in scored:
        if len(kept) < top and all(_overlap(rows, other) < 0.6 for _, other in kept):
            kept.append((name, rows))
    return tuple(summed(base, name, rows) for name, rows in kept)


def _interaction(
    outcome: NDArray[np.float64], first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> float:
    """Return by how many standard errors two traits together raise the log-odds."""
    total = variance = 0.0
    for rows, sign in (
        (first & second, 1.0),
        (first & ~second, -1.0),
        (~first & second, -1.0),
        (~first & ~second, 1.0),
    ):
        count = int(rows.sum())
        if count < _FEWEST_IN_GROUP:
            return 0.0
        mean = min(max(float(outcome[rows].mean()), 0.5 / count), 1.0 - 0.5 / count)
        odds = mean * (1.0 - mean)
        # Of outcomes the spread is binomial; probabilities lie closer together.
        spread = float(outcome[rows].var()) or odds
        total += sign * float(np.log(mean / (1.0 - mean)))
        variance += spread / (count * odds * odds)
    return total / float(np.sqrt(variance))


def _overlap(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    return float((one & two).sum()) / float(min(one.sum(), two.sum()))


def _limit(looks: int) -> float:
    from scipy.stats import norm

    return float(norm.isf(0.025 / looks)) if looks else Z95


def _traits(base: Base) -> Iterator[tuple[int, str, NDArray[np.bool_]]]:
    for place, column in enumerate(base.columns):
        if not column.is_category and column.type != "boolean":
            continue
        values = base.matrix[:, place]
        levels = np.unique(values[~np.isnan(values)])
        if not 2 <= len(levels) <= _MOST_LEVELS:
            continue
        for level in levels.tolist():
            yield place, column.describe(decoded(column, level)), values == level
