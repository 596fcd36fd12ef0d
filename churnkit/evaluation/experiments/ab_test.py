"""Effect of an action: treated customers compared with held-out ones.

Examples
--------
>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> treated = rng.random(20_000) < 0.8
>>> stayed = rng.random(20_000) < np.where(treated, 0.72, 0.68)
>>> readout = read_experiment(stayed, treated, share=0.8)
>>> print(readout.effect, readout.verdict)
0.046 (0.030 to 0.062) works
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from churnkit.core.stats.interval import Interval
from churnkit.evaluation.experiments.confidence_sequence import sequential_interval
from churnkit.evaluation.validation import EvaluationError, refuse

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ExperimentReadout", "SampleRatio", "read_experiment", "sample_ratio"]

_SUSPICIOUS = 0.001
_MIN_PER_ARM = 10


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Sample-ratio check: observed against designed share of treated customers.

    Attributes
    ----------
    expected, observed
        Share of treated customers, designed and observed.
    p_value
        P-value of the chi-square test.
    """

    expected: float
    observed: float
    p_value: float

    @property
    def ok(self) -> bool:
        """True if the split is plausible; if not, the readout is invalid."""
        return self.p_value >= _SUSPICIOUS


@dataclass(frozen=True)
class ExperimentReadout:
    """Result of `read_experiment`.

    Attributes
    ----------
    treated, control
        Number of customers in each arm.
    treated_mean, control_mean
        Mean outcomes, with intervals.
    effect
        Treated minus control, with its interval.
    relative
        The effect over the control mean; None if a mean is not above zero.
    adjusted
        The effect after removing the variance explained by `covariates` (CUPED); None without
        them.
    variance_removed
        Share of the variance removed.
    always_valid
        An interval that may be checked every day (see `sequential_interval`), of the adjusted
        effect if there is one.
    ratio
        The sample-ratio check; None if no share was given.
    level
        Confidence level of the intervals.
    spread
        Standard deviation of the outcome within an arm, for `plan_experiment`.
    """

    treated: int
    control: int
    treated_mean: Interval
    control_mean: Interval
    effect: Interval
    relative: Interval | None
    adjusted: Interval | None
    variance_removed: float
    always_valid: Interval
    ratio: SampleRatio | None
    level: float
    spread: float

    @property
    def best(self) -> Interval:
        """The effect behind the verdict: adjusted if available."""
        return self.effect if self.adjusted is None else self.adjusted

    @property
    def verdict(self) -> Literal["works", "harms", "cannot tell", "broken split"]:
        """Position of the effect's interval: above zero, below zero, or across it."""
        if self.ratio is not None and not self.ratio.ok:
            return "broken split"
        if self.best.low > 0:
            return "works"
        return "harms" if self.best.high < 0 else "cannot tell"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
        estimates = {
            name: None if getattr(self, name) is None else getattr(self, name).to_dict()
            for name in _ESTIMATES
        }
        ratio = self.ratio
        return {
            "verdict": self.verdict,
            "treated": self.treated,
            "control": self.control,
            **estimates,
            "variance_removed": self.variance_removed,
            "ratio": None
            if ratio is None
            else {
                "expected": ratio.expected,
                "observed": ratio.observed,
                "p_value": ratio.p_value,
                "ok": ratio.ok,
            },
            "level": self.level,
            "spread": self.spread,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row per estimate."""
        import pandas as pd

        rows = {name: getattr(self, name) for name in _ESTIMATES if getattr(self, name) is not None}
        return pd.DataFrame.from_dict(
            {name: estimate.to_dict() for name, estimate in rows.items()}, orient="index"
        )

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(float_format="{:.5f}".format))


_ESTIMATES = ("treated_mean", "control_mean", "effect", "relative", "adjusted", "always_valid")


def read_experiment(
    outcome: ArrayLike,
    treated: ArrayLike,
    *,
    covariates: ArrayLike | None = None,
    share: float | None = None,
    planned: int | None = None,
    level: float = 0.95,
) -> ExperimentReadout:
    """Estimate the effect of an action from an experiment.

    Parameters
    ----------
    outcome : (n,) 0 and 1, or money; more is better
    treated : (n,) True for treated customers, False for held-out ones, assigned at random
    covariates : (n,) or (n, k) measured before the experiment, such as last year's spend
    share
        Designed share of treated customers, for the sample-ratio check.
    planned
        Planned number of customers, where the always-valid interval is narrowest; the current
        number if not given.
    level
        Confidence level of the intervals.

    Returns
    -------
    ExperimentReadout

    Raises
    ------
    EvaluationError
        Lengths differ, a value is missing, or an arm has fewer than 10 customers.

    Notes
    -----
    Differences of shares are by Agresti and Caffo (2000), of money by Welch; the relative
    effect's interval is that of the logarithm of the ratio, by the delta method.

    References
    ----------
    Deng, Xu, Kohavi, Walker (2013), CUPED, WSDM, doi:10.1145/2433396.2433413.

    Examples
    --------
    >>> read_experiment([0, 1] * 50, [True] * 50 + [False] * 50).verdict
    'cannot tell'
    """
    value, arm = _checked(outcome, treated)
    sides = value[arm], value[~arm]
    effect = _difference(*sides, level=level)
    adjusted, removed, variance = None, 0.0, _variance(*sides)
    if covariates is not None:
        residual = _adjust(value, arm, _impute(covariates, len(value)))
        removed = max(0.0, 1 - _variance(residual[arm], residual[~arm]) / max(variance, 1e-300))
        variance = _variance(residual[arm], residual[~arm])
        adjusted = _welch(residual[arm], residual[~arm], level=level)
    best = effect.value if adjusted is None else adjusted.value
    return ExperimentReadout(
        treated=len(sides[0]),
        control=len(sides[1]),
        treated_mean=_mean(sides[0], level),
        control_mean=_mean(sides[1], level),
        effect=effect,
        relative=_relative(*sides, level=level),
        adjusted=adjusted,
        variance_removed=removed,
        always_valid=sequential_interval(
            best,
            variance,
            planned_variance=variance * len(value) / (planned or len(value)),
            level=level,
        ),
        ratio=None if share is None else sample_ratio(len(sides[0]), len(sides[1]), share=share),
        level=level,
        spread=float(np.sqrt(sum(len(side) * side.var() for side in sides) / len(value))),
    )


def sample_ratio(treated: int, control: int, *, share: float) -> SampleRatio:
    """Test the observed sizes of the arms against the design (chi-square).

    Parameters
    ----------
    treated, control
        Number of customers in each arm.
    share
        Designed share of treated customers, between 0 and 1.

    Returns
    -------
    SampleRatio

    Examples
    --------
    >>> sample_ratio(8100, 1900, share=0.8).ok, sample_ratio(8200, 1800, share=0.8).ok
    (True, False)
    """
    from scipy.stats import chi2

    if not 0 < share < 1:
        raise EvaluationError(f"share must lie between 0 and 1, got {share}")
    total = treated + control
    expected = total * share
    square = (treated - expected) ** 2 * (1 / expected + 1 / (total - expected))
    return SampleRatio(share, treated / total, float(chi2.sf(square, 1)))


def _checked(
    outcome: ArrayLike, treated: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    value = np.asarray(outcome, dtype=np.float64)
    arm = np.asarray(treated)
    if value.ndim != 1 or arm.shape != value.shape:
        raise EvaluationError(
            f"outcomes have shape {value.shape} and treated {arm.shape}: pass one per customer"
        )
    if not np.isin(arm, (0, 1)).all():
        raise EvaluationError("treated must be true or false for each customer")
    refuse(~np.isfinite(value), "outcomes are missing: drop those customers")
    arm = arm.astype(bool)
    for name, count in (("treated", int(arm.sum())), ("held-out", int((~arm).sum()))):
        if count < _MIN_PER_ARM:
            raise EvaluationError(
                f"{count} {name} customers are too few: at least {_MIN_PER_ARM} are needed"
            )
    return value, arm


def _impute(covariates: ArrayLike, rows: int) -> NDArray[np.float64]:
    """Return the covariates as a matrix, missing values replaced by the column's mean."""
    matrix = np.asarray(covariates, dtype=np.float64)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    if matrix.ndim != 2 or len(matrix) != rows:
        raise EvaluationError(f"covariates have shape {matrix.shape}, expected {rows} rows")
    count = np.maximum((~np.isnan(matrix)).sum(axis=0), 1)
    return np.where(np.isnan(matrix), np.nansum(matrix, axis=0) / count, matrix)


def _adjust(
    value: NDArray[np.float64], arm: NDArray[np.bool_], covariates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Remove the part of the outcomes linear in the covariates, with slopes within arms."""
    centered, outcome = covariates.copy(), value.copy()
    for side in (arm, ~arm):
        centered[side] -= covariates[side].mean(axis=0)
        outcome[side] -= value[side].mean()
    slope = np.linalg.lstsq(centered, outcome, rcond=None)[0]
    adjusted: NDArray[np.float64] = value - (covariates - covariates.mean(axis=0)) @ slope
    return adjusted


def _variance(treated: NDArray[np.float64], control: NDArray[np.float64]) -> float:
    return float(treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control))


def _is_binary(*sides: NDArray[np.float64]) -> bool:
    return all(bool(np.isin(side, (0.0, 1.0)).all()) for side in sides)


def _difference(
    treated: NDArray[np.float64], control: NDArray[np.float64], *, level: float
) -> Interval:
    if not _is_binary(treated, control):
        return _welch(treated, control, level=level)
    from scipy.stats import norm

    shares = [(side.sum() + 1) / (len(side) + 2) for side in (treated, control)]
    sizes = [len(side) + 2 for side in (treated, control)]
    error = np.sqrt(sum(p * (1 - p) / n for p, n in zip(shares, sizes, strict=True)))
    reach = float(norm.ppf((1 + level) / 2) * error)
    center = float(shares[0] - shares[1])
    return Interval(float(treated.mean() - control.mean()), center - reach, center + reach)


def _welch(treated: NDArray[np.float64], control: NDArray[np.float64], *, level: float) -> Interval:
    from scipy.stats import t

    parts = [side.var(ddof=1) / len(side) for side in (treated, control)]
    below = sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (treated, control), strict=True)
    )
    freedom = sum(parts) ** 2 / below if below > 0 else 1e9
    value = float(treated.mean() - control.mean())
    reach = float(t.ppf((1 + level) / 2, freedom) * np.sqrt(sum(parts)))
    return Interval(value, value - reach, value + reach)


def _mean(side: NDArray[np.float64], level: float) -> Interval:
    from scipy.stats import norm

    z = float(norm.ppf((1 + level) / 2))
    mean, count = float(side.mean()), len(side)
    if not _is_binary(side):
        reach = z * float(side.std(ddof=1)) / np.sqrt(count)
        return Interval(mean, mean - reach, mean + reach)
    # Wilson's interval, since shares near zero are common.
    center = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * np.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return Interval(mean, float(center - reach), float(center + reach))


def _relative(
    treated: NDArray[np.float64], control: NDArray[np.float64], *, level: float
) -> Interval | None:
    from scipy.stats import norm

    means = treated.mean(), control.mean()
    if min(means) <= 0:
        return None
    error = np.sqrt(
        sum(
            side.var(ddof=1) / (len(side) * mean**2)
            for side, mean in zip((treated, control), means, strict=True)
        )
    )
    ratio, reach = float(means[0] / means[1]), float(norm.ppf((1 + level) / 2) * error)
    return Interval(ratio - 1, ratio * np.exp(-reach) - 1, ratio * np.exp(reach) - 1)
