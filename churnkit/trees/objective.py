"""Transform raw scores to predictions by the booster's objective.

References
----------
LightGBM's objectives: https://lightgbm.readthedocs.io/en/stable/Parameters.html#objective
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["find_transform"]


def find_transform(objective: str) -> Callable[[Floats], Floats]:
    """Return the function that transforms raw scores to predictions.

    Parameters
    ----------
    objective
        The objective in the model's text, with its settings.

    Returns
    -------
    callable
        From and to shape (n,), or (n, classes) for multiclass objectives.

    Raises
    ------
    BundleError
        If the objective is unknown.

    Examples
    --------
    >>> find_transform("binary sigmoid:1")(np.array([0.0, 2.0])).round(3)
    array([0.5  , 0.881])
    """
    name, *parts = objective.split() or [""]
    settings = dict(part.partition(":")[::2] for part in parts)
    if name == "regression" and "sqrt" in settings:
        return _signed_square
    if name in {"binary", "multiclassova"}:
        return _sigmoid(settings.get("sigmoid", "1"))
    if name not in _TRANSFORMS:
        raise BundleError(
            f"the objective {name[:40]!r} is not supported: train with one of LightGBM's built-in "
            "objectives, or a custom function"
        )
    return _TRANSFORMS[name]


def _identity(raw: Floats) -> Floats:
    return raw


def _signed_square(raw: Floats) -> Floats:
    return np.sign(raw) * raw * raw


def _sigmoid(slope_text: str) -> Callable[[Floats], Floats]:
    try:
        slope = float(slope_text)
    except ValueError as error:
        raise BundleError("the sigmoid of the objective is not a number: save it again") from error
    if not 0.0 < slope < np.inf:
        raise BundleError("the sigmoid of the objective is not positive: save the model again")

    # Not a closure, so that a compiled model can be pickled.
    return partial(_scaled_sigmoid, slope)


def _scaled_sigmoid(slope: float, raw: Floats) -> Floats:
    # Scores so low that the exponential overflows correctly get probability 0.
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-slope * raw))


def _softmax(raw: Floats) -> Floats:
    odds = np.exp(raw - raw.max(axis=-1, keepdims=True))
    probabilities: Floats = odds / odds.sum(axis=-1, keepdims=True)
    return probabilities


def _softplus(raw: Floats) -> Floats:
    with np.errstate(over="ignore"):
        return np.log1p(np.exp(raw))


_TRANSFORMS: dict[str, Callable[[Floats], Floats]] = {
    **dict.fromkeys(("", "custom", "regression", "regression_l1", "huber", "fair"), _identity),
    **dict.fromkeys(("quantile", "mape", "lambdarank", "rank_xendcg"), _identity),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), np.exp),
    "cross_entropy": _sigmoid("1"),
    "cross_entropy_lambda": _softplus,
    "multiclass": _softmax,
}
