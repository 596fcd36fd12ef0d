"""Qini curve: outcomes gained by treating the customers with the highest effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, CurveDisplay, check_kind, estimator_name
from churnkit.evaluation import UpliftCurve, qini_curve, uplift_curve

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


__all__ = ["QiniDisplay"]

_TITLES = {"qini": "Qini curve", "uplift": "Uplift curve"}


class QiniDisplay(CurveDisplay[UpliftCurve]):
    """Outcomes gained by the number of customers treated, highest predicted effects first.

    Parameters
    ----------
    result
        From `churnkit.evaluation.qini_curve`.
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
    >>> curve = qini_curve([1, 0, 1, 0], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 1])
    >>> QiniDisplay(curve).result.area
    2.5
    """

    line_: Any

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        treatment: ArrayLike,
        *,
        action: int = 1,
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the curve of one action of an uplift model.

        Parameters
        ----------
        estimator
            Fitted `churnkit.models.UpliftModel`.
        X
            Customers that it was not fitted on.
        y : (n,)
            Their outcomes, 1 is desired.
        treatment : (n,)
            0 for control, 1, 2, ... for actions.
        action
            The action that is compared with control; customers of others are left out.
        name
            Label in the legend; the class of the estimator if not given.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        QiniDisplay
        """
        arm = np.asarray(treatment)
        rows = (arm == 0) | (arm == action)
        effect = np.asarray(estimator.predict(X))[:, action - 1]
        treated = (arm[rows] == action).astype(np.float64)
        name = estimator_name(estimator, name)
        outcome = np.asarray(y, dtype=np.float64)[rows]
        return cls.from_predictions(outcome, effect[rows], treated, name=name, ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        y: ArrayLike,
        uplift: ArrayLike,
        treatment: ArrayLike,
        *,
        kind: str = "qini",
        name: str | None = None,
        ax: Any = None,
        **kwargs: Any,
    ) -> Self:
        """Compute and draw the curve of predicted effects.

        Parameters
        ----------
        y : (n,)
            Outcomes, 1 is desired.
        uplift : (n,)
            Predicted effects.
        treatment : (n,)
            1 for treated, 0 for control.
        kind
            ``"qini"``, or ``"uplift"`` for `churnkit.evaluation.uplift_curve`.
        name, ax, **kwargs
            As in `plot`.

        Returns
        -------
        QiniDisplay
        """
        compute = qini_curve if check_kind(kind, _TITLES) == "qini" else uplift_curve
        curve = compute(y, uplift, treatment)
        return cls(curve, name=name).plot(kind=kind, ax=ax, **kwargs)

    def plot(
        self, *, ax: Any = None, kind: str = "qini", name: str | None = None, **kwargs: Any
    ) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        kind
            ``"qini"`` or ``"uplift"``, for the title.
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
        axes = self._set_axes(
            ax,
            title=_TITLES[check_kind(kind, _TITLES)],
            x="customers treated, highest predicted effects first",
            y="outcomes gained",
        )
        customers, gain = self.result.customers, self.result.gain
        axes.plot(
            [0, customers[-1]],
            [0.0, gain[-1]],
            color=REFERENCE,
            linestyle="--",
            label="random order",
        )
        (self.line_,) = axes.plot(
            customers, gain, **{"color": MODEL, "label": name or self.name or "model"} | kwargs
        )
        axes.legend()
        return self
