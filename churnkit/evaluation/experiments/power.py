"""Sample size, duration and detectable effect of experiments."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from churnkit.evaluation.validation import EvaluationError

__all__ = ["ExperimentPlan", "detectable_effect", "plan_experiment"]


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """Result of `plan_experiment`.

    Attributes
    ----------
    customers, treated, control
        Number of customers in total and in each arm.
    days
        Days until the last outcome is known; None if the daily number of customers is unknown.
    effect
        The smallest effect to detect.
    level, power
        Confidence level, and the probability of detecting the effect.
    """

    customers: int
    treated: int
    control: int
    days: int | None
    effect: float
    level: float
    power: float

    def __str__(self) -> str:
        duration = "" if self.days is None else f", in {self.days:,} days until the last outcome"
        return (
            f"{self.customers:,} customers ({self.treated:,} treated, {self.control:,} held out) "
            f"detect an effect of {self.effect:g} with {self.power:.0%} power{duration}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        return asdict(self)


def plan_experiment(
    effect: float,
    *,
    baseline: float | None = None,
    spread: float | None = None,
    share: float = 0.5,
    customers_per_day: float | None = None,
    outcome_days: int = 0,
    variance_removed: float = 0.0,
    level: float = 0.95,
    power: float = 0.8,
) -> ExperimentPlan:
    """Compute the sample size that detects an effect, and the duration.

    ``n = (z_level + z_power) ** 2 * (v1 / share + v0 / (1 - share)) / effect ** 2``

    Parameters
    ----------
    effect
        The smallest difference to detect, of shares or of money.
    baseline
        Share among held-out customers, for outcomes of 0 and 1.
    spread
        Standard deviation of the outcome, for money; instead of `baseline`.
    share
        Share of customers who are treated.
    customers_per_day
        Number of customers entering the experiment each day.
    outcome_days
        Days from a decision until its outcome is known.
    variance_removed
        Share of variance removed by CUPED, as `ExperimentReadout.variance_removed` of an earlier
        experiment.
    level, power
        Confidence level of the interval, and the probability that it excludes zero.

    Returns
    -------
    ExperimentPlan

    Raises
    ------
    EvaluationError
        A setting is out of range, or neither or both of baseline and spread are given.

    Examples
    --------
    >>> print(plan_experiment(0.02, baseline=0.1, customers_per_day=500, outcome_days=30))
    7,678 customers (3,839 treated, 3,839 held out) detect an effect of 0.02 with 80% power, in 46 days until the last outcome
    """
    if effect == 0:
        raise EvaluationError("effect must not be 0: pass the smallest effect to detect")
    scale = _scale(share, level, power, variance_removed)
    if (baseline is None) == (spread is None):
        raise EvaluationError("pass either baseline (outcomes 0 and 1) or spread (money)")
    treated_variance, control_variance = _variances(effect, baseline, spread)
    needed = scale * (treated_variance / share + control_variance / (1 - share)) / effect**2
    treated, control = math.ceil(needed * share), math.ceil(needed * (1 - share))
    days = None
    if customers_per_day is not None:
        if customers_per_day <= 0:
            raise EvaluationError(f"customers_per_day must be above 0, got {customers_per_day}")
        days = math.ceil((treated + control) / customers_per_day) + outcome_days
    return ExperimentPlan(treated + control, treated, control, days, effect, level, power)


def detectable_effect(
    customers: int,
    *,
    baseline: float | None = None,
    spread: float | None = None,
    share: float = 0.5,
    variance_removed: float = 0.0,
    level: float = 0.95,
    power: float = 0.8,
) -> float:
    """Return the smallest effect that a number of customers detects.

    Parameters
    ----------
    customers
        Number of customers in both arms together.
    baseline, spread, share, variance_removed, level, power
        As `plan_experiment`.

    Returns
    -------
    float
        In the outcome's unit.

    Examples
    --------
    >>> round(detectable_effect(7682, baseline=0.1), 4)
    0.0192
    """
    scale = _scale(share, level, power, variance_removed)
    if (baseline is None) == (spread is None):
        raise EvaluationError("pass either baseline (outcomes 0 and 1) or spread (money)")
    # Both arms have the baseline's variance, since the effect is the unknown.
    variance = _variances(0.0, baseline, spread)[1]
    return math.sqrt(scale * variance * (1 / share + 1 / (1 - share)) / customers)


def _scale(share: float, level: float, power: float, removed: float) -> float:
    from scipy.stats import norm

    for name, value in (("share", share), ("level", level), ("power", power)):
        if not 0 < value < 1:
            raise EvaluationError(f"{name} must lie between 0 and 1, got {value}")
    if not 0 <= removed < 1:
        raise EvaluationError(f"variance_removed must be at least 0 and below 1, got {removed}")
    return float(norm.ppf((1 + level) / 2) + norm.ppf(power)) ** 2 * (1 - removed)


def _variances(effect: float, baseline: float | None, spread: float | None) -> tuple[float, float]:
    if spread is not None:
        if spread <= 0:
            raise EvaluationError(f"spread must be above 0, got {spread}")
        return spread**2, spread**2
    control = float(baseline or 0.0)
    treated = control + effect
    if not (0 < control < 1 and 0 < treated < 1):
        raise EvaluationError("baseline and baseline + effect must lie between 0 and 1")
    return treated * (1 - treated), control * (1 - control)
