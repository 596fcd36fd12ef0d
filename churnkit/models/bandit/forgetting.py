"""Forgetting of a bandit: how much of the past a batch of new rewards still supports.

A half-life alone forgets too slowly after a sudden change. So each batch is compared with what
earlier rewards predict for it: if earlier rewards at a small share of their weight predict the
batch clearly better than at their full weight, they are discounted to that share.

References
----------
West, Harrison (1986). Monitoring and adaptation in Bayesian forecasting models. JASA 81.
Kulhavy, Zarrop (1993). On a general concept of forgetting. International Journal of Control 58.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.bandit.posterior import log_evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.bandit.sums import RewardSums

    Floats = NDArray[np.float64]

__all__ = ["supported_share"]

# Shares of their weight at which earlier rewards are compared, the full weight first.
_SHARES = (1.0, 1 / 4, 1 / 16, 1 / 64)
# Least log Bayes factor for a smaller share.
_LEAST_EVIDENCE = 6.0
# Residuals are cut at this many standard deviations: one rare or large reward is no change.
_LARGEST_RESIDUAL = 3.0


def supported_share(
    past: RewardSums,
    rows: tuple[Floats, Floats, NDArray[np.str_]],
    reward: Floats,
    expected: Floats,
    *,
    precisions: tuple[Floats, Floats],
    variance: float,
) -> float:
    """Return the share of the weight of earlier rewards that best predicts a batch.

    Parameters
    ----------
    past
        Sums of the earlier rewards.
    rows
        Encoded customers (n, p), shared rows (n, q) and option names (n,) of the batch.
    reward, expected : (n,) observed rewards, and those that the past predicts
    precisions
        Prior precisions of an option's own (p,) and of the shared coefficients (q,).
    variance
        Variance of the noise.

    Returns
    -------
    float
        1 where the batch does not contradict the past.
    """
    bound = _LARGEST_RESIDUAL * np.sqrt(variance)
    typical = expected + np.clip(reward - expected, -bound, bound)
    evidence = []
    for share in _SHARES:
        kept = past.discounted(share)
        after = log_evidence(kept.plus(*rows, typical), precisions, variance)
        evidence.append(after - log_evidence(kept, precisions, variance))
    best = int(np.argmax(evidence))
    return _SHARES[best] if evidence[best] - evidence[0] > _LEAST_EVIDENCE else 1.0
