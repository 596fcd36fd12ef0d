"""Off-policy estimates of a policy's value, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from churnkit.displays.decisions.intervals import IntervalDisplay
from churnkit.displays.display import REFERENCE

if TYPE_CHECKING:
    from churnkit.evaluation import PolicyEvaluation

__all__ = ["OffPolicyDisplay"]


class OffPolicyDisplay(IntervalDisplay):
    """Value of a policy by estimator, against that of the policy that logged the decisions.

    Parameters
    ----------
    result
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
    >>> OffPolicyDisplay(result).result["snips"].value
    1.0
    """

    def __init__(self, result: PolicyEvaluation) -> None:
        super().__init__(result.estimates, title="Off-policy estimates")
        self.result = result

    @classmethod
    def from_result(cls, result: PolicyEvaluation, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the estimates of a policy's value, as the result's own `plot` does.

        Parameters
        ----------
        result
            From `churnkit.evaluation.evaluate_policy`.
        ax, **kwargs
            As in `plot`.

        Returns
        -------
        OffPolicyDisplay
        """
        return cls(result).plot(ax=ax, **kwargs)

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
        super().plot(ax=ax, **{"label": "policy"} | kwargs)
        self.ax_.set_xlabel(f"value per decision, {self.result.level:.0%} interval")
        self.ax_.legend()
        return self

    def _draw_reference(self, axes: Any) -> None:
        """Draw what the estimates are compared with: the logging policy's value."""
        logged = self.result.on_policy
        axes.axvspan(logged.low, logged.high, color=REFERENCE, alpha=0.15, linewidth=0)
        axes.axvline(logged.value, color=REFERENCE, linestyle="--", label="logging policy")
