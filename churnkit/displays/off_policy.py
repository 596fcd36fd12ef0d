"""Off-policy estimates of a policy's value, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.displays.display import MODEL, REFERENCE, Display

if TYPE_CHECKING:
    from churnkit.evaluation import PolicyEvaluation

__all__ = ["OffPolicyDisplay"]


class OffPolicyDisplay(Display):
    """Value of a policy by estimator, against that of the policy that logged the decisions.

    Parameters
    ----------
    evaluation
        From `churnkit.evaluation.evaluate_policy`.

    Attributes
    ----------
    points_
        Container of the estimates and their intervals.
    ax_, figure_
        Axes and figure of the last `plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from churnkit.evaluation import PolicyLog, evaluate_policy
    >>> log = PolicyLog.from_columns([0, 1] * 500, np.full(1000, 0.5), [0.0, 1.0] * 500)
    >>> result = evaluate_policy(log, [0.0, 1.0], reward_model="mean")
    >>> OffPolicyDisplay(result).evaluation["snips"].value
    1.0
    """

    points_: Any

    def __init__(self, evaluation: PolicyEvaluation) -> None:
        self.evaluation = evaluation

    @classmethod
    def from_result(cls, evaluation: PolicyEvaluation, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the estimates of a policy's value.

        Parameters
        ----------
        evaluation
            From `churnkit.evaluation.evaluate_policy`.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        OffPolicyDisplay
        """
        return cls(evaluation).plot(ax=ax, **kwargs)

    def plot(self, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the estimates.

        Parameters
        ----------
        ax
            Axes to draw on; new ones if not given.
        **kwargs
            For ``Axes.errorbar``.

        Returns
        -------
        The display.
        """
        result = self.evaluation
        axes = self._set_axes(
            ax,
            title="Off-policy estimates",
            x=f"value per decision, {result.level:.0%} interval",
            y="",
        )
        names = list(result.estimates)
        value, low, high = (
            np.array([getattr(result.estimates[name], part) for name in names])
            for part in ("value", "low", "high")
        )
        rows = np.arange(len(names))[::-1]
        logged = result.on_policy
        axes.axvspan(logged.low, logged.high, color=REFERENCE, alpha=0.15, linewidth=0)
        axes.axvline(logged.value, color=REFERENCE, linestyle="--", label="logging policy")
        below, above = np.maximum(value - low, 0.0), np.maximum(high - value, 0.0)
        self.points_ = axes.errorbar(
            value,
            rows,
            xerr=[below, above],
            **{"color": MODEL, "fmt": "o", "capsize": 3, "label": "policy"} | kwargs,
        )
        axes.set_yticks(rows, names)
        axes.legend()
        return self
