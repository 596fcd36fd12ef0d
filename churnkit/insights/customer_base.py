"""Customers as a model sees them, ready to be summed up: no names, only arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column

__all__ = ["Base", "Planned", "decoded", "shown_action"]


@dataclass(frozen=True, eq=False)
class Planned:
    """What a plan gives each customer.

    Parameters
    ----------
    titles
        The actions in a person's words.
    action : (n,) place in `titles`, -1 for none
    gain, low, high : (n,) expected gain net of cost, and its interval, in money
    cost : (n,) in money
    reason : (n,) place in `reasons`
    reasons
        Why a customer gets an action, or none, in words.
    """

    titles: tuple[str, ...]
    action: NDArray[np.int64]
    gain: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    cost: NDArray[np.float64]
    reason: NDArray[np.int64]
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Base:
    """Scored customers.

    Parameters
    ----------
    columns
        The features (f).
    matrix : (n, f) encoded features of the valid rows
    probability : (n,) calibrated probabilities of churn
    value : (n,) what each is worth a period, in money; None if the contract has no value
    churned : (n,) who really left, where the table says so
    sample : (m,) places of the rows whose contributions are known
    contributions : (m, f + 1) exact SHAP values in log-odds, the bias last
    planned
        The plan; None where the model has no actions.
    """

    columns: tuple[Column, ...]
    matrix: NDArray[np.float64]
    probability: NDArray[np.float64]
    value: NDArray[np.float64] | None
    churned: NDArray[np.float64] | None
    sample: NDArray[np.int64]
    contributions: NDArray[np.float64]
    planned: Planned | None

    def __len__(self) -> int:
        return len(self.probability)

    @property
    def at_risk(self) -> NDArray[np.float64] | None:
        """Value times probability of churn, (n,)."""
        return None if self.value is None else self.value * self.probability


def decoded(column: Column, code: float) -> Any:
    """Turn a number of the matrix back into the value that it stands for."""
    if np.isnan(code):
        return None
    if column.is_category and column.levels is not None:
        return column.levels[int(code)]
    if column.type == "boolean":
        return bool(code)
    return float(code)


def shown_action(planned: Planned | None, rows: NDArray[np.bool_]) -> tuple[str, float]:
    """Name the action that gains most among some customers, and what it gains."""
    if planned is None:
        return "", 0.0
    own = rows & (planned.action >= 0)
    if not own.any():
        return "", 0.0
    gained = np.bincount(planned.action[own], planned.gain[own], len(planned.titles))
    best = int(gained.argmax())
    return planned.titles[best], float(gained[best])
