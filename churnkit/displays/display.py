"""Bases of the displays: axes, colors, and the outcomes and probabilities of an estimator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import numpy as np

from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BAND",
    "MODEL",
    "NEGATIVE",
    "POSITIVE",
    "REFERENCE",
    "ClassifierDisplay",
    "CurveDisplay",
    "Display",
    "ResultDisplay",
    "check_kind",
    "estimator_name",
]

R = TypeVar("R")

MODEL = "#1f5fa8"
POSITIVE = "#2e7d4f"
NEGATIVE = "#b3261e"
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


class ResultDisplay(Display, ABC, Generic[R]):
    """Base of the displays of one result.

    Parameters
    ----------
    result
        The computed numbers.
    """

    def __init__(self, result: R) -> None:
        self.result = result

    @classmethod
    def from_result(cls, result: R, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw a result, as the result's own `plot` does.

        Parameters
        ----------
        result
            The computed numbers.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        The display.
        """
        return cls(result).plot(ax=ax, **kwargs)

    @abstractmethod
    def plot(self, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the result.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        **kwargs
            For the axes.

        Returns
        -------
        The display.
        """


class CurveDisplay(ResultDisplay[R]):
    """Base of the displays of one curve.

    Parameters
    ----------
    result
        The computed points.
    name
        Label in the legend.
    """

    def __init__(self, result: R, *, name: str | None = None) -> None:
        super().__init__(result)
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.name is None else f'name={self.name!r}'})"


class ClassifierDisplay(CurveDisplay[R]):
    """Base of the displays of a classifier's probabilities against outcomes."""

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *args: Any,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the curve of a fitted classifier.

        Parameters
        ----------
        estimator
            Classifier of two classes with `predict_proba`.
        X
            Customers that it was not fitted on.
        y : (n,)
            Their outcomes, in the estimator's classes.
        *args, **kwargs
            As in `from_predictions`.
        name
            Label in the legend; the class of the estimator if not given.
        ax
            Axes to draw on; new ones if not given.

        Returns
        -------
        The display.
        """
        outcome, probability = _outcome_and_probability(estimator, X, y)
        name = estimator_name(estimator, name)
        return cls.from_predictions(outcome, probability, *args, name=name, ax=ax, **kwargs)

    @classmethod
    @abstractmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        probability: ArrayLike,
        *args: Any,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the curve of probabilities.

        Parameters
        ----------
        y : (n,)
            Outcomes, 1 for churned.
        probability : (n,)
            Predicted probabilities of churn.
        *args, **kwargs
            Settings of the curve, and as in `plot`.

        Returns
        -------
        The display.
        """


def _outcome_and_probability(
    estimator: Any, X: Any, y: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return outcomes, 1 for the second of the estimator's classes, and its probabilities."""
    from churnkit.models.frame_columns import array_of_series

    outcome = np.asarray(array_of_series(y)) == estimator.classes_[1]
    return outcome.astype(np.float64), np.asarray(estimator.predict_proba(X))[:, 1]


def estimator_name(estimator: Any, name: str | None) -> str:
    """Return the label of an estimator: its class, unless a name is given."""
    return type(estimator).__name__ if name is None else name


def check_kind(kind: str, kinds: Collection[str]) -> str:
    """Return the kind of a plot.

    Raises
    ------
    ChurnkitError
        The kind is unknown.
    """
    if kind not in kinds:
        raise ChurnkitError(f"kind must be {' or '.join(map(repr, kinds))}, got {kind!r}")
    return kind
