"""How much of a policy the log can speak for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.log import PolicyLog

__all__ = ["Overlap", "overlap"]

_FEW = 100.0
_THIN_SHARE = 0.01
_HEAVY = 0.05
_SURPRISE = 4.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far the logged decisions resemble those of the policy.

    Attributes
    ----------
    rows
        Logged decisions.
    effective_rows
        ``sum(w) ** 2 / sum(w ** 2)``: so many decisions of the policy itself would tell as much.
    max_weight
        The largest importance weight.
    mean_weight
        About 1 if the propensities are right.
    unsupported
        The share of the policy's decisions that go to arms which the log never shows.
    warnings
        What is too thin, a sentence each; empty if nothing is.
    """

    rows: int
    effective_rows: float
    max_weight: float
    mean_weight: float
    unsupported: float
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {**asdict(self), "warnings": list(self.warnings)}


def overlap(log: PolicyLog, policy: NDArray[np.float64]) -> Overlap:
    """Measure the overlap of a log and a policy.

    Parameters
    ----------
    log
        Logged decisions.
    policy : (n, arms) the policy's probabilities

    Examples
    --------
    >>> from churnkit.evaluation.off_policy.log import PolicyLog
    >>> log = PolicyLog.of([0, 1] * 200, np.full(400, 0.5), [0.0, 1.0] * 200)
    >>> found = overlap(log, np.tile([0.0, 1.0], (400, 1)))
    >>> found.effective_rows, found.max_weight, found.warnings
    (200.0, 2.0, ())
    """
    weight = policy[np.arange(len(log)), log.action] / log.propensity
    total = float(weight.sum())
    effective = total**2 / float((weight**2).sum()) if total > 0 else 0.0
    unseen = np.bincount(log.action, minlength=log.arms) == 0
    unsupported = float(policy[:, unseen].sum(axis=1).mean())
    found = (len(log), effective, float(weight.max()), float(weight.mean()), unsupported)
    return Overlap(*found, _warnings(weight, effective, unsupported))


def _warnings(weight: NDArray[np.float64], effective: float, unsupported: float) -> tuple[str, ...]:
    rows = len(weight)
    says = []
    if unsupported > 0:
        says.append(
            f"{unsupported:.1%} of the policy's decisions go to arms that the log never shows: "
            "their value is a model's guess"
        )
    if effective < max(_FEW, _THIN_SHARE * rows):
        says.append(
            f"{rows:,} logged decisions tell as much as {effective:,.0f} of the policy's own: "
            "log longer, or explore more where the policy wants to go"
        )
    heaviest = float(weight.max() / weight.sum()) if weight.sum() > 0 else 1.0
    if heaviest > _HEAVY:
        says.append(f"one decision has {heaviest:.0%} of all the weight: the estimate leans on it")
    error = float(weight.std()) / np.sqrt(rows)
    if unsupported == 0 and abs(float(weight.mean()) - 1) > _SURPRISE * max(error, 1e-9):
        says.append(
            f"the weights have the mean {weight.mean():.3f}, and 1 is expected: the logged "
            "propensities do not look like those of the decisions"
        )
    return tuple(says)
