"""Base of the displays: axes, colors, and the outcomes and probabilities of an estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from churnkit.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BAND",
    "MODEL",
    "REFERENCE",
    "CurveDisplay",
    "Display",
    "estimator_name",
    "outcome_and_probability",
]

Curve = TypeVar("Curve")

MODEL = "#1f5fa8"
REFERENCE = "#767676"
BAND = 0.2
"""Opacity of intervals."""


class Display:
    """Base of the displays.

    Attributes
    ----------
    ax_, figure_
        Axes and figure of the last `plot`.
    """

    ax_: Any
    figure_: Any

    def __repr__(self) -> str:
        # Without an address, which would change each time in a notebook.
        return f"{type(self).__name__}()"

    def _set_axes(self, ax: Any, *, title: str, x: str, y: str) -> Any:
        """Return the axes, new ones if None, with title and labels."""
        if ax is None:
            try:
                import matplotlib.pyplot as plt
            except ImportError:
                raise MissingExtraError("plot", "matplotlib") from None
            _, ax = plt.subplots(layout="constrained")
        ax.set(title=title, xlabel=x, ylabel=y)
        self.ax_, self.figure_ = ax, ax.figure
        return ax


class CurveDisplay(Display, Generic[Curve]):
    """Base of the displays of one curve.

    Parameters
    ----------
    curve
        The computed points.
    name
        Label in the legend.
    """

    def __init__(self, curve: Curve, *, name: str | None = None) -> None:
        self.curve = curve
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r})"


def outcome_and_probability(
    estimator: Any, X: Any, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return outcomes, 1 for the second of the estimator's classes, and its probabilities."""
    from churnkit.models.frame_columns import array_of_series

    outcome = np.asarray(array_of_series(y)) == estimator.classes_[1]
    return outcome.astype(np.float64), np.asarray(estimator.predict_proba(X))[:, 1]


def estimator_name(estimator: Any, name: str | None) -> str:
    """Return the label of an estimator: its class, unless a name is given."""
    return type(estimator).__name__ if name is None else name
