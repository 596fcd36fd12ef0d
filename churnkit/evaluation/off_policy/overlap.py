"""Overlap of a log and a policy: effective rows, weights and support."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.result import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.evaluation.off_policy.log import PolicyLog

__all__ = ["Overlap", "overlap"]

_FEW = 100.0
_THIN_SHARE = 0.01
_HEAVY = 0.05
# Standard errors by which a mean weight may differ from 1.
_MAX_DEVIATION = 3.0
# Probability that some context of a valid log is reported.
_CONTEXT_ERROR = 0.01
_CONTEXT_BINS = 10
_MIN_CONTEXT_ROWS = 20
# A propensity of 1 up to rounding: no other arm was possible.
_CERTAIN = 1 - 1e-9


@dataclass(frozen=True, slots=True)
class Overlap(Result):
    """Overlap of the logged decisions with those of the policy.

    Parameters
    ----------
    rows
        Number of logged decisions.
    effective_rows
        ``sum(w) ** 2 / sum(w ** 2)``: the number of the policy's own decisions that carry as
        much information.
    max_weight
        The largest importance weight.
    mean_weight
        About 1 if the propensities are right and the log covers the policy.
    unsupported
        Share of the policy's decisions that the log cannot show: for arms that were never
        taken, or for other arms where the logged one had probability 1.
    warnings
        Insufficient overlap, one sentence each; empty if there is none.
    blocking
        True if the mean weight, overall or in a context, differs from 1: the estimates are then
        biased by an unknown amount.
    """

    rows: int
    effective_rows: float
    max_weight: float
    mean_weight: float
    unsupported: float
    warnings: tuple[str, ...]
    blocking: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return {**asdict(self), "warnings": list(self.warnings)}


def overlap(log: PolicyLog, policy: NDArray[np.float64]) -> Overlap:
    """Measure the overlap of a log and a policy.

    Parameters
    ----------
    log
        Logged decisions.
    policy : (n, arms)
        The policy's probabilities.

    Returns
    -------
    Overlap
        Weights, unsupported share and warnings.

    Notes
    -----
    With right propensities and full support the weights have mean 1 in every group of
    customers. Besides the overall mean, that of each value (up to 10, else of each decile) of
    each feature is tested, at 1% for all together: rules, consent and limits that bar an arm
    for some customers make it fall below 1 there.

    Examples
    --------
    >>> from churnkit.evaluation.off_policy.log import PolicyLog
    >>> log = PolicyLog.from_columns([0, 1] * 200, np.full(400, 0.5), [0.0, 1.0] * 200)
    >>> result = overlap(log, np.tile([0.0, 1.0], (400, 1)))
    >>> result.effective_rows, result.max_weight, result.warnings
    (200.0, 2.0, ())
    """
    taken = policy[np.arange(len(log)), log.action]
    weight = taken / log.propensity
    total = float(weight.sum())
    effective = total**2 / float((weight**2).sum()) if total > 0 else 0.0
    unseen = np.bincount(log.action, minlength=log.arms) == 0
    # Of a row whose arm was certain, all other decisions lack support.
    lost = np.where(log.propensity >= _CERTAIN, 1 - taken, policy[:, unseen].sum(axis=1))
    unsupported = float(lost.mean())
    warnings = _thin(weight, effective, unsupported)
    biased = _biased(log, weight, lost)
    return Overlap(
        len(log),
        effective,
        float(weight.max()),
        float(weight.mean()),
        unsupported,
        (*warnings, *biased),
        bool(biased),
    )


def _thin(weight: NDArray[np.float64], effective: float, unsupported: float) -> list[str]:
    rows = len(weight)
    warnings = []
    if unsupported > 0:
        warnings.append(
            f"{unsupported:.1%} of the policy's decisions have no support in the log: they are for "
            "arms that were never taken, or differ from a decision that was certain"
        )
    if effective < max(_FEW, _THIN_SHARE * rows):
        warnings.append(
            f"{rows:,} logged decisions carry as much information as {effective:,.0f} of the "
            "policy's own: log longer, or explore the policy's actions more"
        )
    heaviest = float(weight.max() / weight.sum()) if weight.sum() > 0 else 1.0
    if heaviest > _HEAVY:
        warnings.append(f"one decision has {heaviest:.0%} of the total weight")
    return warnings


def _biased(log: PolicyLog, weight: NDArray[np.float64], lost: NDArray[np.float64]) -> list[str]:
    """Test mean weights against 1, not counting decisions known to lack support."""
    rows = len(weight)
    excess = weight - (1 - lost)
    inflation = _cluster_inflation(excess, log.customer)
    error = inflation * float(weight.std()) / np.sqrt(rows)
    if abs(float(excess.mean())) > _MAX_DEVIATION * max(error, 1e-9):
        warning = (
            f"the mean weight is {weight.mean():.3f}, expected {1 - lost.mean():.3f}: the logged "
            "propensities do not match the decisions, or rules barred the policy's actions for "
            "some customers"
        )
        return [warning]
    contexts = _contexts(log.features)
    if not contexts:
        return []
    limit = NormalDist().inv_cdf(1 - _CONTEXT_ERROR / (2 * len(contexts)))
    spread = max(float(weight.std()), 1e-9)
    missing = 0
    for inside in contexts:
        # A context in which the policy's arms never occur has no spread of its own.
        count = int(inside.sum())
        deviation = inflation * max(spread, float(weight[inside].std())) / np.sqrt(count)
        missing += bool(float(excess[inside].mean()) < -limit * deviation)
    if not missing:
        return []
    warning = (
        f"in {missing} of {len(contexts)} contexts (values of the features) the log takes the "
        "policy's actions less often than its propensities allow: rules or consent may bar them "
        "there"
    )
    return [warning]


def _cluster_inflation(excess: NDArray[np.float64], customer: NDArray[np.intp] | None) -> float:
    """Return how much correlation within customers inflates the standard error of a mean."""
    if customer is None:
        return 1.0
    residual = excess - excess.mean()
    sums = np.bincount(customer, weights=residual)
    return float(np.sqrt(max((sums**2).sum() / max((residual**2).sum(), 1e-12), 1.0)))


def _contexts(features: NDArray[np.float64]) -> list[NDArray[np.bool_]]:
    """Return the rows of each value, or of each decile, of each feature; missing is a value."""
    contexts = []
    for column in features.T:
        present = column[~np.isnan(column)]
        values = np.unique(present)
        if len(values) > _CONTEXT_BINS:
            edges = np.unique(np.quantile(present, np.arange(1, _CONTEXT_BINS) / _CONTEXT_BINS))
            code = np.searchsorted(edges, column, side="right")
        else:
            code = np.searchsorted(values, column)
        code = np.where(np.isnan(column), -1, code)
        groups = [code == value for value in np.unique(code)]
        if len(groups) > 1:
            contexts += [rows for rows in groups if rows.sum() >= _MIN_CONTEXT_ROWS]
    return contexts
