"""Overlap of a log and a policy: effective rows, weights and support."""

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
    """Overlap of the logged decisions with those of the policy.

    Attributes
    ----------
    rows
        Number of logged decisions.
    effective_rows
        ``sum(w) ** 2 / sum(w ** 2)``: the number of the policy's own decisions that carry as
        much information.
    max_weight
        The largest importance weight.
    mean_weight
        About 1 if the propensities are right.
    unsupported
        Share of the policy's decisions for arms that the log never shows.
    warnings
        Insufficient overlap, one sentence each; empty if there is none.
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

    Returns
    -------
    Overlap

    Examples
    --------
    >>> from churnkit.evaluation.off_policy.log import PolicyLog
    >>> log = PolicyLog.from_columns([0, 1] * 200, np.full(400, 0.5), [0.0, 1.0] * 200)
    >>> result = overlap(log, np.tile([0.0, 1.0], (400, 1)))
    >>> result.effective_rows, result.max_weight, result.warnings
    (200.0, 2.0, ())
    """
    weight = policy[np.arange(len(log)), log.action] / log.propensity
    total = float(weight.sum())
    effective = total**2 / float((weight**2).sum()) if total > 0 else 0.0
    unseen = np.bincount(log.action, minlength=log.arms) == 0
    unsupported = float(policy[:, unseen].sum(axis=1).mean())
    return Overlap(
        len(log),
        effective,
        float(weight.max()),
        float(weight.mean()),
        unsupported,
        _warnings(weight, effective, unsupported),
    )


def _warnings(weight: NDArray[np.float64], effective: float, unsupported: float) -> tuple[str, ...]:
    rows = len(weight)
    warnings = []
    if unsupported > 0:
        warnings.append(
            f"{unsupported:.1%} of the policy's decisions are for arms that the log never shows: "
            "their value is extrapolated by a model"
        )
    if effective < max(_FEW, _THIN_SHARE * rows):
        warnings.append(
            f"{rows:,} logged decisions carry as much information as {effective:,.0f} of the "
            "policy's own: log longer, or explore the policy's actions more"
        )
    heaviest = float(weight.max() / weight.sum()) if weight.sum() > 0 else 1.0
    if heaviest > _HEAVY:
        warnings.append(f"one decision has {heaviest:.0%} of the total weight")
    error = float(weight.std()) / np.sqrt(rows)
    if unsupported == 0 and abs(float(weight.mean()) - 1) > _SURPRISE * max(error, 1e-9):
        warnings.append(
            f"the mean weight is {weight.mean():.3f}, expected 1: the logged propensities do not "
            "match the decisions"
        )
    return tuple(warnings)
