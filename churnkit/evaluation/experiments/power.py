"""How many customers an experiment needs, and for how long it must run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from churnkit.evaluation.classification.score_order import EvaluationError

__all__ = ["ExperimentPlan", "detectable_effect", "plan_experiment"]


@dataclass(frozen=True, slots=True)
class ExperimentPlan:
    """What `plan_experiment` found.

    Attributes
    ----------
    customers, treated, control
        How many in all, and in each arm.
    days
        Until the last outcome is known; None if the daily number of customers is not known.
    effect
        The effect that is found with this power.
    level, power
        Confidence, and the chance to see the effect if it is there.
    """

    customers: int
    treated: int
    control: int
    days: int | None
    effect: float
    level: float
    power: float

    def __str__(self) -> str:
        how_long = "" if self.days is None else f", {self.days:,} days with the last outcome"
        return (
            f"{self.customers:,} customers ({self.treated:,} treated, {self.control:,} held out) "
            f"show an effect of {self.effect:g} with {self.power:.0%} power{how_long}"
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
    """Find how many customers show an effect, and how long they take to come.

    ``n = (z_level + z_power) ** 2 * (v1 / share + v0 / (1 - share)) / effect ** 2``

    Parameters
    ----------
    effect
        The smallest difference that is worth knowing: of shares, or of money.
    baseline
        The held-out customers' share, for outcomes of 0 and 1.
    spread
        The standard deviation of the outcome, for money; instead of `baseline`.
    share
        The share of customers who are treated.
    customers_per_day
        How many enter the experiment each day.
    outcome_days
        How long after its decision an outcome is known.
    variance_removed
        What CUPED takes out, as `ExperimentReadout.variance_removed` of an earlier experiment.
    level, power
        Confidence of the interval, and the chance that it excludes zero.

    Raises
    ------
    EvaluationError
        A setting is out of range, or neither or both of baseline and spread are given.

    Examples
    --------
    >>> print(plan_experiment(0.02, baseline=0.1, customers_per_day=500, outcome_days=30))
    7,678 customers (3,839 treated, 3,839 held out) show an effect of 0.02 with 80% power, 46 days with the last outcome
    """
    if effect == 0:
        raise EvaluationError("no number of customers shows an effect of zero: name the least")
    scale = _scale(share, level, power, variance_removed)
    if (baseline is None) == (spread is None):
        raise EvaluationError("give baseline (for 0 and 1) or spread (for money), one of them")
    treated_variance, control_variance = _variances(effect, baseline, spread)
    needed = scale * (treated_variance / share + control_variance / (1 - share)) / effect**2
    treated, control = math.ceil(needed * share), math.ceil(needed * (1 - share))
    days = None
    if customers_per_day is not None:
        if customers_per_day <= 0:
            raise EvaluationError("customers_per_day must be above zero")
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
    """Return the smallest effect that so many customers show.

    Parameters
    ----------
    customers
        In both arms together.
    baseline, spread, share, variance_removed, level, power
        As `plan_experiment`.

    Examples
    --------
    >>> round(detectable_effect(7682, baseline=0.1), 4)
    0.0192
    """
    scale = _scale(share, level, power, variance_removed)
    if (baseline is None) == (spread is None):
        raise EvaluationError("give baseline (for 0 and 1) or spread (for money), one of them")
    # Under the baseline's variance in both arms: the effect is what is looked for.
    variance = _variances(0.0, baseline, spread)[1]
    return math.sqrt(scale * variance * (1 / share + 1 / (1 - share)) / customers)


def _scale(share: float, level: float, power: float, removed: float) -> float:
    from scipy.stats import norm

    for name, value in (("share", share), ("level", level), ("power", power)):
        if not 0 < value < 1:
            raise EvaluationError(f"{name} must lie between 0 and 1")
    if not 0 <= removed < 1:
        raise EvaluationError("variance_removed is a share, below 1")
    return float(norm.ppf((1 + level) / 2) + norm.ppf(power)) ** 2 * (1 - removed)


def _variances(effect: float, baseline: float | None, spread: float | None) -> tuple[float, float]:
    if spread is not None:
        if spread <= 0:
            raise EvaluationError("spread must be above zero")
        return spread**2, spread**2
    chance = float(baseline or 0.0)
    raised = chance + effect
    if not (0 < chance < 1 and 0 < raised < 1):
        raise EvaluationError("baseline, and baseline with the effect, must lie between 0 and 1")
    return raised * (1 - raised), chance * (1 - chance)
