"""Sample size, duration and detectable effect of experiments."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from churnkit.core.result import Result
from churnkit.evaluation.experiments.ab_test import agresti_caffo_limits
from churnkit.evaluation.validation import EvaluationError

__all__ = ["ExperimentPlan", "detectable_effect", "plan_experiment"]


@dataclass(frozen=True, slots=True)
class ExperimentPlan(Result):
    """Result of `plan_experiment`.

    Parameters
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

    For money ``n = (z_level + z_power) ** 2 * (v1 / share + v0 / (1 - share)) / effect ** 2``; for
    shares the least n whose exact power, of the interval that `read_experiment` uses, suffices.

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
        Sample size and duration.

    Raises
    ------
    EvaluationError
        A setting is out of range, or neither or both of baseline and spread are given.

    Examples
    --------
    >>> print(plan_experiment(0.02, baseline=0.1, customers_per_day=500, outcome_days=30))
    7,680 customers (3,840 treated, 3,840 held out) detect an effect of 0.02 with 80% power, in 46 days until the last outcome
    """
    if effect == 0:
        raise EvaluationError("effect must not be 0: pass the smallest effect to detect")
    design = _design(
        baseline, spread, removed=variance_removed, share=share, level=level, power=power
    )
    customers = _customers(effect, design) * (1 - variance_removed)
    treated, control = math.ceil(customers * share), math.ceil(customers * (1 - share))
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
    >>> round(detectable_effect(7680, baseline=0.1), 4)
    0.02
    """
    design = _design(
        baseline, spread, removed=variance_removed, share=share, level=level, power=power
    )
    count = customers / (1 - variance_removed)
    if spread is not None:
        return math.sqrt(_needed(1.0, design) / count)
    from scipy.optimize import brentq

    control = float(baseline or 0.0)
    largest = (1 - control) * (1 - 1e-9)

    def shortage(effect: float) -> float:
        return _power_of_shares(count, effect, design) - power

    if shortage(largest) < 0:
        raise EvaluationError(
            f"{customers:,} customers detect no effect with {power:.0%} power: use more"
        )
    return float(brentq(shortage, 1e-9, largest, xtol=1e-9))


class _Design(NamedTuple):
    baseline: float | None
    spread: float | None
    share: float
    level: float
    power: float


def _design(
    baseline: float | None, spread: float | None, *, removed: float, **shares: float
) -> _Design:
    for name, value in shares.items():
        if not 0 < value < 1:
            raise EvaluationError(f"{name} must lie between 0 and 1, got {value}")
    if not 0 <= removed < 1:
        raise EvaluationError(f"variance_removed must be at least 0 and below 1, got {removed}")
    if (baseline is None) == (spread is None):
        raise EvaluationError("pass either baseline (outcomes 0 and 1) or spread (money)")
    if spread is not None and spread <= 0:
        raise EvaluationError(f"spread must be above 0, got {spread}")
    return _Design(baseline, spread, **shares)


def _needed(effect: float, design: _Design) -> float:
    """Return the number of customers by the normal approximation."""
    from scipy.special import ndtri

    if design.spread is not None:
        variances = design.spread**2, design.spread**2
    else:
        control = float(design.baseline or 0.0)
        treated = control + effect
        if not (0 < control < 1 and 0 < treated < 1):
            raise EvaluationError("baseline and baseline + effect must lie between 0 and 1")
        variances = treated * (1 - treated), control * (1 - control)
    scale = float(ndtri((1 + design.level) / 2) + ndtri(design.power)) ** 2
    return scale * (variances[0] / design.share + variances[1] / (1 - design.share)) / effect**2


def _customers(effect: float, design: _Design) -> float:
    """Return the number of customers; for shares the least whose exact power suffices."""
    count = _needed(effect, design)
    if design.baseline is None:
        return count
    low, high = count, count
    while _power_of_shares(low, effect, design) >= design.power:
        low /= 1.2
    while _power_of_shares(high, effect, design) < design.power:
        high *= 1.2
    while high - low > 0.5:
        middle = (low + high) / 2
        enough = _power_of_shares(middle, effect, design) >= design.power
        low, high = (low, middle) if enough else (middle, high)
    return high


def _power_of_shares(customers: float, effect: float, design: _Design) -> float:
    """Return the exact probability that the interval of the readout excludes zero.

    For each number of control successes the least number of treated ones is found at which
    Agresti and Caffo's interval lies above zero; a negative effect is the mirror image.
    """
    from scipy.stats import binom

    if effect < 0:
        mirrored = design._replace(baseline=1 - float(design.baseline or 0.0))
        return _power_of_shares(customers, -effect, mirrored)
    baseline, share = float(design.baseline or 0.0), design.share
    rows = max(round(customers * share), 1), max(round(customers * (1 - share)), 1)
    reach = 7 * math.sqrt(rows[1] * baseline * (1 - baseline)) + 7
    middle = rows[1] * baseline
    control = np.arange(max(0, int(middle - reach)), min(rows[1], int(middle + reach)) + 1)
    low, high = np.zeros(len(control)), np.full(len(control), rows[0] + 1.0)
    for _ in range(int(rows[0]).bit_length() + 1):
        treated = np.floor((low + high) / 2)
        above = agresti_caffo_limits(treated, rows[0], control, rows[1], design.level)[0] > 0
        high = np.where(above, treated, high)
        low = np.where(above, low, np.minimum(treated + 1, high))
    detected = binom.sf(high - 1, rows[0], baseline + effect)
    return float(binom.pmf(control, rows[1], baseline) @ detected)
