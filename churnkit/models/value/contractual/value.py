"""What a customer under contract is worth, from any model's survival curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["contractual_value"]


def contractual_value(
    margin: ArrayLike, survival: ArrayLike, *, rate: float
) -> NDArray[np.float64]:
    """Return margin times discounted survival, ``sum margin * S(t) / (1 + rate) ** t``.

    Parameters
    ----------
    margin : (n,) what a customer who is still here brings in a period, or one number; may be
        negative
    survival : (n, periods) probability to be here at the end of periods 1, 2, ..., such as
        `HazardModel.predict_survival` gives
    rate
        Discount rate for one period: .01 for one percent.

    Returns
    -------
    (n,) in the margin's money; payments fall at the end of each period.

    Raises
    ------
    ModelDataError
        Survival is no probability, rises along a row, or the shapes do not fit.

    Examples
    --------
    >>> contractual_value([20.0, 50.0], [[0.9, 0.8], [0.5, 0.4]], rate=0.0)
    array([34., 45.])
    """
    curves = np.asarray(survival, dtype=np.float64)
    if curves.ndim != 2:
        raise ModelDataError("survival must have a row for each customer, a column for each period")
    if not 0 <= rate < np.inf:
        raise ModelDataError("rate must not be negative: give .01 for one percent a period")
    outside = int(np.count_nonzero(~((curves >= 0) & (curves <= 1)).all(axis=1)))
    if outside:
        raise ModelDataError(f"survival is no probability in {outside} rows")
    rising = int(np.count_nonzero((np.diff(curves, axis=1) > 1e-12).any(axis=1)))
    if rising:
        raise ModelDataError(f"survival rises in {rising} rows: order its columns by time")
    margins = np.asarray(margin, dtype=np.float64)
    if margins.ndim > 1 or (margins.ndim == 1 and len(margins) != len(curves)):
        raise ModelDataError("margin must hold one number for each row of survival")
    if not np.isfinite(margins).all():
        raise ModelDataError("margin is missing or infinite in some rows: leave them out")
    factors = (1.0 + rate) ** -np.arange(1.0, curves.shape[1] + 1)
    worth: NDArray[np.float64] = margins * (curves @ factors)
    return worth
