"""What goes with a high or a low churn probability: by the model's own arithmetic."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.insights.customer_base import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.insights.customer_base import Base

    Score = Callable[[NDArray[np.float64]], NDArray[np.float64]]

__all__ = ["Driver", "Drivers", "Step", "find_drivers"]

NOT_CAUSE = (
    "Associated with churn, not its cause: changing one of these need not change who leaves. Only "
    "an experiment shows that."
)
_STEPS = 5
_MOST_LEVELS = 8
_DEPENDENCE_ROWS = 1_000
_FEWEST_CUSTOMERS = 5
_IN_A_SEGMENT = 3


@dataclass(frozen=True, slots=True)
class Step:
    """One value or range of a driver.

    Parameters
    ----------
    says
        In the schema's words.
    customers
        How many have it.
    predicted
        Mean predicted probability of those who have it.
    everyone
        Mean predicted probability if everybody had it and nothing else changed (partial
        dependence).
    observed
        Share of those who have it that really left; None where that is not known.
    """

    says: str
    customers: int
    predicted: float
    everyone: float
    observed: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the step as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Driver:
    """One column's part in the predictions.

    Parameters
    ----------
    column, title
        Its name, and in a person's words.
    importance
        Mean absolute SHAP value, in log-odds.
    share
        Of the importance of all columns.
    steps
        What its values go with.
    """

    column: str
    title: str
    importance: float
    share: float
    steps: tuple[Step, ...]

    @property
    def highest(self) -> Step | None:
        """The value with which most would leave."""
        return max(self.steps, key=lambda step: step.everyone, default=None)

    @property
    def lowest(self) -> Step | None:
        """The value with which fewest would leave."""
        return min(self.steps, key=lambda step: step.everyone, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the driver as JSON-able data."""
        return {**asdict(self), "steps": [step.to_dict() for step in self.steps]}


@dataclass(frozen=True, slots=True)
class Drivers:
    """Drivers of all customers, the strongest first, and of each segment.

    Parameters
    ----------
    drivers
        Overall.
    segments
        For each segment's name its three strongest: title and share of importance.
    formula
        In words.
    caution
        That this is association.
    """

    drivers: tuple[Driver, ...]
    segments: tuple[tuple[str, tuple[tuple[str, float], ...]], ...]
    formula: str
    caution: str = NOT_CAUSE

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able data."""
        return {
            "formula": self.formula,
            "caution": self.caution,
            "drivers": [driver.to_dict() for driver in self.drivers],
            "segments": [
                {"segment": name, "drivers": [list(pair) for pair in top]}
                for name, top in self.segments
            ],
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a driver."""
        import pandas as pd

        return pd.DataFrame(
            [(d.column, d.title, d.importance, d.share) for d in self.drivers],
            columns=["column", "title", "importance", "share"],
        )


def find_drivers(
    base: Base,
    score: Score,
    *,
    segments: Mapping[str, NDArray[np.bool_]] | None = None,
    top: int = 8,
) -> Drivers:
    """Rank columns by their part in the predictions, and say what their values go with.

    Parameters
    ----------
    base
        Scored customers.
    score
        Gives probabilities for rows of the matrix.
    segments
        Masks of customers, (n,), for drivers by segment.
    top
        How many drivers have their steps worked out.
    """
    parts = np.abs(base.contributions[:, :-1])
    importance = parts.mean(axis=0) if len(parts) else np.zeros(len(base.columns))
    whole = float(importance.sum()) or 1.0
    order = np.argsort(-importance, kind="stable")
    found = []
    for rank, place in enumerate(order.tolist()):
        if not importance[place] > 0:
            break
        column = base.columns[place]
        steps = _steps(base, score, place) if rank < top else ()
        found.append(
            Driver(
                column.name,
                column.title,
                float(importance[place]),
                float(importance[place]) / whole,
                steps,
            )
        )
    return Drivers(
        tuple(found),
        tuple(
            (name, _strongest(base, parts, mask)) for name, mask in (segments or {}).items()
        ),
        f"mean absolute SHAP value of {len(parts):,} customers, as a share of all columns'",
    )  # fmt: skip


def _strongest(
    base: Base, parts: NDArray[np.float64], mask: NDArray[np.bool_]
) -> tuple[tuple[str, float], ...]:
    own = parts[mask[base.sample]]
    if len(own) < _FEWEST_CUSTOMERS:
        return ()
    importance = own.mean(axis=0)
    whole = float(importance.sum()) or 1.0
    order = np.argsort(-importance, kind="stable")[:_IN_A_SEGMENT]
    return tuple(
        (base.columns[place].title, float(importance[place]) / whole) for place in order.tolist()
    )


def _steps(base: Base, score: Score, place: int) -> tuple[Step, ...]:
    """Split a column's values, and see what the model says at each."""
    column = base.columns[place]
    values = base.matrix[:, place]
    spread = max(len(base) // _DEPENDENCE_ROWS, 1)
    rows = np.ascontiguousarray(base.matrix[::spread][:_DEPENDENCE_ROWS])
    found = []
    for mask, typical, says in _split(column, values):
        if mask.sum() < _FEWEST_CUSTOMERS:
            continue
        asked = rows.copy()
        asked[:, place] = typical
        found.append(
            Step(
                says,
                int(mask.sum()),
                float(base.probability[mask].mean()),
                float(score(asked).mean()),
                None if base.churned is None else float(base.churned[mask].mean()),
            )
        )
    return tuple(found)


def _split(
    column: Column, values: NDArray[np.float64]
) -> list[tuple[NDArray[np.bool_], float, str]]:
    """Return masks, a typical value and words for each part of a column."""
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    if len(distinct) <= _MOST_LEVELS:
        parts = [
            (values == one, float(one), column.describe(decoded(column, one))) for one in distinct
        ]  # fmt: skip
    elif column.is_category:
        counts = {one: int((values == one).sum()) for one in distinct.tolist()}
        common = sorted(counts, key=lambda one: (-counts[one], one))[:_MOST_LEVELS]
        parts = [
            (values == one, float(one), column.describe(decoded(column, one))) for one in common
        ]
    else:
        parts = _ranges(column, values, known)
    missing = np.isnan(values)
    if missing.any():
        parts.append((missing, float("nan"), column.describe(None)))
    return parts


def _ranges(
    column: Column, values: NDArray[np.float64], known: NDArray[np.float64]
) -> list[tuple[NDArray[np.bool_], float, str]]:
    edges = np.unique(np.quantile(known, np.linspace(0, 1, _STEPS + 1), method="lower"))
    parts = []
    for place, (low, high) in enumerate(pairwise(edges.tolist())):
        last = place == len(edges) - 2
        mask = (values >= low) & ((values <= high) if last else (values < high))
        if not mask.any():
            continue
        typical = float(np.quantile(values[mask], 0.5, method="lower"))
        says = column.describe_range(low if place or last else None, None if last else high)
        parts.append((mask, typical, says))
    return parts


def named_segments(found: Sequence[Any]) -> dict[str, NDArray[np.bool_]]:
    """Collect the masks of segments by their names."""
    return {segment.name: segment.rows for segment in found}
