"""Lifetime value of a customer under contract from a survival curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.errors import ModelDataError
from churnkit.models.value.purchase.purchase_history import check_rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["contractual_value"]


def contractual_value(
    margin: ArrayLike, survival: ArrayLike, *, rate: float
) -> NDArray[np.float64]:
    """Return margin times discounted survival, ``sum margin * S(t) / (1 + rate) ** t``.

    Parameters
    ----------
    margin : (n,) or number
        Margin of an active customer per period; may be negative.
    survival : (n, periods)
        Probability of being active at the end of periods 1, 2, ..., such as
        `HazardModel.predict_survival` returns.
    rate
        Discount rate per period: 0.01 for 1%.

    Returns
    -------
    (n,)
        Value in the currency of the margin, with payments at the end of each period.

    Raises
    ------
    ModelDataError
        Survival is not a probability or increases along a row, or the shapes differ.

    Examples
    --------
    >>> contractual_value([20.0, 50.0], [[0.9, 0.8], [0.5, 0.4]], rate=0.0)
    array([34., 45.])
    """
    curves = np.asarray(survival, dtype=np.float64)
    if curves.ndim != 2:
        raise ModelDataError("survival must have one row per customer and one column per period")
    if not 0 <= rate < np.inf:
        raise ModelDataError(f"rate must be 0 or more, got {rate}: pass 0.01 for 1% per period")
    check_rows(
        ~((curves >= 0) & (curves <= 1)).all(axis=1), "survival is not a probability in {} rows"
    )
    check_rows(
        (np.diff(curves, axis=1) > 1e-12).any(axis=1),
        "survival increases in {} rows: order its columns by time",
    )
    margins = np.asarray(margin, dtype=np.float64)
    if margins.ndim > 1 or (margins.ndim == 1 and len(margins) != len(curves)):
        raise ModelDataError("margin must have one number per row of survival")
    check_rows(
        ~np.isfinite(np.atleast_1d(margins)), "margin is missing or infinite in {} rows: drop them"
    )
    factors = (1.0 + rate) ** -np.arange(1.0, curves.shape[1] + 1)
    value: NDArray[np.float64] = margins * (curves @ factors)
    return value
