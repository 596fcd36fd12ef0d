"""ROC curve, and precision by recall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.displays.display import MODEL, REFERENCE, ClassifierDisplay, check_kind
from churnkit.evaluation import ThresholdCurve, threshold_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["RocDisplay"]


class RocDisplay(ClassifierDisplay[ThresholdCurve]):
    """True against false positive rate by threshold, or precision against recall.

    Parameters
    ----------
    result
        From `churnkit.evaluation.threshold_curve`.
    name
        Label in the legend.

    Attributes
    ----------
    line_
        The curve.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> RocDisplay(threshold_curve([1, 0, 1, 0], [0.9, 0.6, 0.5, 0.1])).result.recall
    array([0. , 0.5, 0.5, 1. , 1. ])
    """

    line_: Any

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        probability: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        kind: str = "roc",
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the curve of probabilities.

        Parameters
        ----------
        y : (n,)
            Outcomes, 1 for churned.
        probability : (n,)
            Predicted probabilities of churn.
        sample_weight : (n,)
            Weights of the rows.
        kind, name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        RocDisplay
        """
        curve = threshold_curve(y, probability, sample_weight=sample_weight)
        return cls(curve, name=name).plot(kind=kind, ax=ax, **kwargs)

    def plot(
        self, *, ax: Any = None, kind: str = "roc", name: str | None = None, **kwargs: Any
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        kind
            ``"roc"``, or ``"precision_recall"``.
        name
            Label in the legend.
        **kwargs
            For ``Axes.plot``.

        Returns
        -------
        The display.

        Raises
        ------
        ChurnkitError
            The kind is unknown.
        """
        curve = self.result
        label = name or self.name or "model"
        if check_kind(kind, ("roc", "precision_recall")) == "roc":
            axes = self._set_axes(
                ax, title="ROC", x="share of others flagged", y="share of churners flagged"
            )
            axes.plot([0, 1], [0, 1], color=REFERENCE, linestyle="--", label="random order")
            x, y, label = curve.false_positive_rate, curve.recall, f"{label}, AUC {curve.auc:.3f}"
        else:
            axes = self._set_axes(
                ax,
                title="Precision and recall",
                x="share of churners flagged (recall)",
                y="churners among the flagged (precision)",
            )
            share = curve.precision[-1]
            axes.plot([0, 1], [share] * 2, color=REFERENCE, linestyle="--", label="random order")
            # Without anyone flagged there is no precision.
            x, y = curve.recall[1:], curve.precision[1:]
        (self.line_,) = axes.plot(x, y, **{"color": MODEL, "label": label} | kwargs)
        axes.set_ylim(0.0, 1.02)
        axes.legend()
        return self
