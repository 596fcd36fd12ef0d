"""Effects of a blend's candidates from the raw scores of their trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.uplift.effect_transforms import inverse_link, with_arm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from churnkit.models.uplift.effect_transforms import Link

    Floats = NDArray[np.float64]
    RawScore = Callable[[Floats], Floats]

__all__ = ["CANDIDATES", "Offset", "candidate_effects", "log_odds_of_staying", "trees_needed"]

CANDIDATES = ("s", "t", "x", "dr", "r")
_RISK_RANGE = 1e-6
_SMALLEST_SCALE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Offset:
    """Recalibrated log-odds of staying: ``intercept + slope * baseline + arm effect``.

    Attributes
    ----------
    intercept, slope
        Of the baseline.
    arms : (arms,) constant shifts, 0 for control
    level
        Mean outcome of the experiment; scale of relative effects where the outcome is money.
    """

    intercept: float
    slope: float
    arms: Floats
    level: float

    def untreated(self, baseline: Floats) -> Floats:
        """Return the linked outcome without treatment, (n,)."""
        return self.intercept + self.slope * baseline

    def scale(self, baseline: Floats, link: Link) -> Floats:
        """Return what relative effects are relative to, (n,): the risk, or the mean outcome."""
        if link == "identity":
            return np.full(len(baseline), self.level)
        return np.maximum(1.0 - inverse_link(self.untreated(baseline), link), _SMALLEST_SCALE)


def log_odds_of_staying(risk: Floats) -> Floats:
    """Return ``log((1 - risk) / risk)``, (n,).

    Examples
    --------
    >>> log_odds_of_staying(np.array([0.5]))
    array([0.])
    """
    bounded = np.clip(risk, _RISK_RANGE, 1.0 - _RISK_RANGE)
    return np.log((1.0 - bounded) / bounded)


def trees_needed(name: str, actions: int) -> int:
    """Return how many sets of trees a candidate has."""
    return {"s": 1, "t": actions + 1}.get(name, actions)


def candidate_effects(
    name: str,
    scores: Iterable[RawScore],
    matrix: Floats,
    *,
    baseline: Floats,
    offset: Offset,
    link: Link,
) -> Floats:
    """Return a candidate's effects, (n, actions).

    Parameters
    ----------
    name
        One of `CANDIDATES`.
    scores
        For each set of trees, the function of its raw scores.
    matrix : (n, f + 1) features, with the baseline as the last column
    baseline : (n,) log-odds of staying, or forecast of the outcome, without treatment
    offset, link
        Of the experiment.
    """
    actions = len(offset.arms) - 1
    if name in {"s", "t"}:
        untreated = offset.untreated(baseline)
        if name == "s":
            (score,) = scores
            raw = [score(with_arm(matrix, arm, actions)) for arm in range(actions + 1)]
        else:
            raw = [score(matrix) for score in scores]
        outcome = [
            inverse_link(untreated + offset.arms[arm] + departure, link)
            for arm, departure in enumerate(raw)
        ]
        return np.column_stack([treated - outcome[0] for treated in outcome[1:]])
    effects = np.column_stack([score(matrix) for score in scores])
    return effects if name == "x" else effects * offset.scale(baseline, link)[:, None]
