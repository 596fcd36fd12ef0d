"""Segments of a scored base: response to the plan, value by risk, pairs of traits."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.stats.special import NORMAL_95
from churnkit.core.translation import _, capitalize_first, mark_text
from churnkit.insights.customer_base import planned_in_segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from churnkit.insights.customer_base import CustomerBase

__all__ = ["Segment", "find_groups", "response_segments", "summarize_segment", "value_risk"]

_MOST_LEVELS = 12
_LEAST_LIFT = 1.3
_FEWEST_IN_GROUP = 30


@dataclass(frozen=True, slots=True)
class Segment:
    """Totals of a group of customers.

    Parameters
    ----------
    name
        Name made of traits.
    customers, share
        Number of customers, and share of the base.
    churn
        Mean churn probability.
    observed
        Observed churn rate; None without the label.
    value
        Total value of one period, in money; None without a value column.
    at_risk
        Revenue at risk, in money; None without a value column.
    treated
        Number of customers with a planned action.
    action
        Planned action with the highest total gain among them; empty if none.
    gain
        Expected gain of all planned actions among them, in money.
    rows
        Mask of the customers, (n,); not part of `to_dict`.
    """

    name: str
    customers: int
    share: float
    churn: float
    observed: float | None
    value: float | None
    at_risk: float | None
    treated: int
    action: str
    gain: float
    rows: NDArray[np.bool_] = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the segment as JSON-able data, without its customers."""
        return {name: getattr(self, name) for name in Segment.__slots__ if name != "rows"}


def summarize_segment(base: CustomerBase, name: str, rows: NDArray[np.bool_]) -> Segment:
    """Compute the totals of some customers."""
    count = int(rows.sum())
    treated, action, gain = planned_in_segment(base.planned, rows)
    at_risk = base.at_risk
    return Segment(
        name,
        count,
        count / max(len(base), 1),
        float(base.probability[rows].mean()) if count else 0.0,
        None if base.churned is None or not count else float(base.churned[rows].mean()),
        None if base.value is None else float(base.value[rows].sum()),
        None if at_risk is None else float(at_risk[rows].sum()),
        treated,
        action,
        gain,
        rows,
    )


def response_segments(base: CustomerBase) -> tuple[Segment, ...]:
    """Group customers by their expected response to the actions.

    Parameters
    ----------
    base
        Scored customer base with a plan.

    Returns
    -------
    tuple of Segment
        One per response, and one of the customers without an eligible action; those without
        customers are left out.
    """
    planned = base.planned
    if planned is None or planned.response is None:
        return ()
    names = dict(enumerate(planned.responses)) | {-1: mark_text("no eligible action")}
    segments = (
        summarize_segment(base, capitalize_first(_(name)), planned.response == code)
        for code, name in names.items()
    )
    return tuple(segment for segment in segments if segment.customers)


_RISKS = (mark_text("high risk"), mark_text("medium risk"), mark_text("low risk"))
_VALUES = (mark_text("high value"), mark_text("medium value"), mark_text("low value"))


def value_risk(base: CustomerBase) -> tuple[Segment, ...]:
    """Cross thirds of value with three levels of risk.

    High risk is at least 1.5 times the mean churn probability, low risk below 0.75 times.

    Parameters
    ----------
    base
        Scored customer base.

    Returns
    -------
    tuple of Segment
        Nine segments, high value and high risk first; empty without a value column.
    """
    if base.value is None or not len(base):
        return ()
    low, high = np.quantile(base.value, [1 / 3, 2 / 3])
    third = np.where(base.value > high, 0, np.where(base.value > low, 1, 2))
    mean = float(base.probability.mean())
    p = base.probability
    risk = np.where(p >= 1.5 * mean, 0, np.where(p >= 0.75 * mean, 1, 2))
    segments = []
    for v, value in enumerate(_VALUES):
        for r, level in enumerate(_RISKS):
            name = capitalize_first(f"{_(value)}, {_(level)}")
            segments.append(summarize_segment(base, name, (third == v) & (risk == r)))
    return tuple(segments)


def find_groups(base: CustomerBase, *, top: int = 5) -> tuple[Segment, ...]:
    """Find pairs of traits with more churn than either trait alone explains.

    Traits are values of categorical and boolean features. A pair is kept if its churn rate is at
    least 1.3 times the overall rate and the interaction of the two traits in the log-odds,
    ``logit(both) - logit(first only) - logit(second only) + logit(neither)``, is significant at the 5% level after a Bonferroni
    correction for the number of pairs. Of pairs with nearly the same customers the stronger stays.

    Parameters
    ----------
    base
        Scored customer base; observed churn is used where available.
    top
        Maximum number of segments.

    Returns
    -------
    tuple of Segment
        The most significant first.
    """
    outcome = base.probability if base.churned is None else base.churned
    overall = float(outcome.mean()) if len(base) else 0.0
    traits = list(_traits(base))
    pairs = [
        (first, second) for first, second in combinations(traits, 2) if first[0] != second[0]
    ]  # fmt: skip
    limit = _critical_value(len(pairs))
    scored = []
    for (_first, first, first_rows), (_second, second, second_rows) in pairs:
        rows = first_rows & second_rows
        count = int(rows.sum())
        if count < _FEWEST_IN_GROUP:
            continue
        rate = float(outcome[rows].mean())
        if rate < _LEAST_LIFT * overall:
            continue
        z = _interaction(outcome, first_rows, second_rows)
        if z > limit:
            scored.append((z, f"{first}, {second}", rows))
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    kept: list[tuple[str, NDArray[np.bool_]]] = []
    for _z, name, rows in scored:
        if len(kept) < top and all(_overlap(rows, other) < 0.6 for _, other in kept):
            kept.append((name, rows))
    return tuple(summarize_segment(base, name, rows) for name, rows in kept)


def _interaction(
    outcome: NDArray[np.float64], first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> float:
    """Return the z-score of the interaction of two traits in the log-odds."""
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
        # Binomial for outcomes; smaller for probabilities.
        spread = float(outcome[rows].var()) or odds
        total += sign * float(np.log(mean / (1.0 - mean)))
        variance += spread / (count * odds * odds)
    return total / float(np.sqrt(variance))


def _overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum()) / float(min(first.sum(), second.sum()))


def _critical_value(pairs: int) -> float:
    from scipy.stats import norm

    return float(norm.isf(0.025 / pairs)) if pairs else NORMAL_95


def _traits(base: CustomerBase) -> Iterator[tuple[int, str, NDArray[np.bool_]]]:
    for feature, column in enumerate(base.columns):
        if not column.is_category and column.type != "boolean":
            continue
        values = base.matrix[:, feature]
        levels = np.unique(values[~np.isnan(values)])
        if not 2 <= len(levels) <= _MOST_LEVELS:
            continue
        for level in levels.tolist():
            yield feature, column.describe(column.decode(level)), values == level
