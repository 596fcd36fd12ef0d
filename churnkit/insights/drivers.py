"""Churn drivers: the features that predictions depend on, with partial dependence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result
from churnkit.core.translation import _, mark_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.insights.customer_base import CustomerBase

    Score = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = ["Driver", "Drivers", "Step", "find_drivers"]

NOT_CAUSE = mark_text(
    "Drivers are associated with churn but not necessarily its cause: only an experiment "
    "can show whether changing one reduces churn."
)
_STEPS = 5
_MOST_LEVELS = 8
_DEPENDENCE_ROWS = 1_000
_FEWEST_CUSTOMERS = 5
_IN_A_SEGMENT = 3


@dataclass(frozen=True, slots=True)
class Step(Result):
    """A value or range of a driver.

    Parameters
    ----------
    says
        Value or range as the schema words it.
    customers
        Number of customers who have it.
    predicted
        Their mean churn probability.
    everyone
        Mean churn probability if all customers had it and nothing else changed (partial
        dependence).
    observed
        Their observed churn rate; None without the label.
    """

    says: str
    customers: int
    predicted: float
    everyone: float
    observed: float | None


@dataclass(frozen=True, slots=True)
class Driver(Result):
    """A feature's importance and the values it takes.

    Parameters
    ----------
    column, title
        Name and label.
    importance
        Mean absolute SHAP value, in log-odds.
    share
        Share of the importance of all features.
    steps
        Values and ranges; empty beyond the strongest drivers.
    """

    column: str
    title: str
    importance: float
    share: float
    steps: tuple[Step, ...]

    @property
    def highest(self) -> Step | None:
        """The value with the highest partial dependence."""
        return max(self.steps, key=lambda step: step.everyone, default=None)

    @property
    def lowest(self) -> Step | None:
        """The value with the lowest partial dependence."""
        return min(self.steps, key=lambda step: step.everyone, default=None)


@dataclass(frozen=True, slots=True)
class Drivers(Result):
    """Drivers of all customers and of each segment, the strongest first.

    Parameters
    ----------
    drivers
        Drivers of all customers.
    segments
        Name of each segment with its three strongest drivers: title and share of importance.
    formula
        Definition of importance.
    caution
        Note that drivers are associations.
    """

    drivers: tuple[Driver, ...]
    segments: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    formula: str
    caution: str = NOT_CAUSE

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-able data."""
        segments = [
            {"segment": name, "drivers": [list(pair) for pair in top]}
            for name, top in self.segments
        ]
        return {**Result.to_dict(self), "segments": segments}

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per driver."""
        import pandas as pd

        return pd.DataFrame(
            [(d.column, d.title, d.importance, d.share) for d in self.drivers],
            columns=["column", "title", "importance", "share"],
        )


def find_drivers(
    base: CustomerBase,
    score: Score,
    *,
    segments: Mapping[str, NDArray[np.bool_]] | None = None,
    top: int = 8,
) -> Drivers:
    """Rank features by mean absolute SHAP value, with partial dependence of the strongest.

    Parameters
    ----------
    base
        Scored customer base.
    score
        Function from rows of the matrix to churn probabilities.
    segments
        Masks of customers, (n,), by segment.
    top
        Number of drivers with steps.

    Returns
    -------
    Drivers
        All features with a nonzero importance.
    """
    parts = np.abs(base.contributions[:, :-1])
    importance = parts.mean(axis=0) if len(parts) else np.zeros(len(base.columns))
    total = float(importance.sum()) or 1.0
    order = np.argsort(-importance, kind="stable").tolist()
    drivers = tuple(
        Driver(
            base.columns[feature].name,
            base.columns[feature].title,
            float(importance[feature]),
            float(importance[feature]) / total,
            _steps(base, score, feature) if rank < top else (),
        )
        for rank, feature in enumerate(order)
        if importance[feature] > 0
    )
    return Drivers(
        drivers,
        tuple(
            (name, _strongest(base, parts, mask)) for name, mask in (segments or {}).items()
        ),
        _("mean absolute SHAP value of {parts:,} customers, as a share of the total", parts=len(parts)),
    )  # fmt: skip


def _strongest(
    base: CustomerBase, parts: NDArray[np.float64], mask: NDArray[np.bool_]
) -> tuple[tuple[str, float], ...]:
    members = parts[mask[base.sample]]
    if len(members) < _FEWEST_CUSTOMERS:
        return ()
    importance = members.mean(axis=0)
    total = float(importance.sum()) or 1.0
    order = np.argsort(-importance, kind="stable")[:_IN_A_SEGMENT].tolist()
    return tuple((base.columns[at].title, float(importance[at]) / total) for at in order)


def _steps(base: CustomerBase, score: Score, feature: int) -> tuple[Step, ...]:
    """Split a feature's values into steps with their predicted churn."""
    column, values = base.columns[feature], base.matrix[:, feature]
    spread = max(len(base) // _DEPENDENCE_ROWS, 1)
    rows = np.ascontiguousarray(base.matrix[::spread][:_DEPENDENCE_ROWS])
    steps = []
    for mask, typical, says in _split(column, values):
        if mask.sum() < _FEWEST_CUSTOMERS:
            continue
        changed = rows.copy()
        changed[:, feature] = typical
        steps.append(
            Step(
                says,
                int(mask.sum()),
                float(base.probability[mask].mean()),
                float(score(changed).mean()),
                None if base.churned is None else float(base.churned[mask].mean()),
            )
        )
    return tuple(steps)


def _split(
    column: Column, values: NDArray[np.float64]
) -> list[tuple[NDArray[np.bool_], float, str]]:
    """Return the mask, a typical value and the label of each step of a column."""
    present = values[~np.isnan(values)]
    distinct = np.unique(present)
    if len(distinct) <= _MOST_LEVELS:
        parts = [
            (values == level, float(level), column.describe(column.decode(level))) for level in distinct
        ]  # fmt: skip
    elif column.is_category:
        counts = {level: int((values == level).sum()) for level in distinct.tolist()}
        common = sorted(counts, key=lambda level: (-counts[level], level))[:_MOST_LEVELS]
        parts = [
            (values == level, float(level), column.describe(column.decode(level)))
            for level in common
        ]
    else:
        parts = _ranges(column, values, present)
    missing = np.isnan(values)
    if missing.any():
        parts.append((missing, float("nan"), column.describe(None)))
    return parts


def _ranges(
    column: Column, values: NDArray[np.float64], present: NDArray[np.float64]
) -> list[tuple[NDArray[np.bool_], float, str]]:
    edges = np.unique(np.quantile(present, np.linspace(0, 1, _STEPS + 1), method="lower"))
    parts = []
    for number, (low, high) in enumerate(pairwise(edges.tolist())):
        last = number == len(edges) - 2
        mask = (values >= low) & ((values <= high) if last else (values < high))
        if not mask.any():
            continue
        typical = float(np.quantile(values[mask], 0.5, method="lower"))
        says = column.describe_range(low if number or last else None, None if last else high)
        parts.append((mask, typical, says))
    return parts
