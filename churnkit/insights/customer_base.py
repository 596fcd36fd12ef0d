"""Arrays of a scored customer base, without customer ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.core.stats.interval import Interval

__all__ = ["CustomerBase", "PlannedActions", "planned_in_segment"]


@dataclass(frozen=True, eq=False)
class PlannedActions:
    """Planned action of each customer.

    Parameters
    ----------
    titles
        Labels of the actions.
    action : (n,)
        Position in `titles`, -1 for none.
    gain, low, high : (n,)
        Expected gain net of cost and its interval, in money.
    cost : (n,)
        Cost, in money.
    reason : (n,)
        Position in `reasons`.
    reasons
        Reasons for an action or none.
    totals
        For each action the 90% interval of its customers' gain together.
    total
        The gain of all customers together, with its 90% interval; None if unknown.
    response : (n,)
        Position in `responses`, -1 if unknown; None without responses.
    responses
        Expected responses to the actions, with their definitions.
    budgets
        Columns budget, value, low, high and customers of plans within budgets; None if unknown.
    """

    titles: tuple[str, ...]
    action: NDArray[np.int64]
    gain: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    cost: NDArray[np.float64]
    reason: NDArray[np.int64]
    reasons: tuple[str, ...]
    totals: tuple[Interval, ...] = ()
    total: Interval | None = None
    response: NDArray[np.int8] | None = None
    responses: Mapping[str, str] = field(default_factory=dict)
    budgets: Mapping[str, NDArray[np.float64]] | None = None


@dataclass(frozen=True, eq=False)
class CustomerBase:
    """A scored customer base.

    Parameters
    ----------
    columns
        The features (f).
    matrix : (n, f)
        Encoded features of the valid rows.
    probability : (n,)
        Calibrated probabilities of churn.
    value : (n,)
        Value of one period, in money; None if the contract has no value column.
    churned : (n,)
        Observed churn; None without the label.
    sample : (m,)
        Positions of the rows that have contributions.
    contributions : (m, f + 1)
        Exact SHAP values in log-odds, the bias last.
    planned
        The plan; None if the model has no actions.
    stake : (n,)
        Revenue at risk over the horizon of the gain, in money; `value` times `probability`, of one
        period, if None.
    retained : (n,)
        Revenue over the horizon of the gain of customers who stay, in money, of which `stake` is
        the expected loss; None if unknown.
    """

    columns: tuple[Column, ...]
    matrix: NDArray[np.float64]
    probability: NDArray[np.float64]
    value: NDArray[np.float64] | None
    churned: NDArray[np.float64] | None
    sample: NDArray[np.int64]
    contributions: NDArray[np.float64]
    planned: PlannedActions | None
    stake: NDArray[np.float64] | None = None
    retained: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.probability)

    @property
    def at_risk(self) -> NDArray[np.float64] | None:
        """Revenue at risk, (n,); None without a value column."""
        if self.stake is not None or self.value is None:
            return self.stake
        return self.value * self.probability


def planned_in_segment(
    planned: PlannedActions | None, rows: NDArray[np.bool_]
) -> tuple[int, str, float]:
    """Return the customers of a segment with an action, the top one, and the gain of all."""
    if planned is None:
        return 0, "", 0.0
    treated = rows & (planned.action >= 0)
    if not treated.any():
        return 0, "", 0.0
    gains = np.bincount(planned.action[treated], planned.gain[treated], len(planned.titles))
    best = int(gains.argmax())
    return int(treated.sum()), planned.titles[best], float(gains.sum())
