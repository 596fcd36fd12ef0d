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
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from churnkit.core.result import PlottableResult, Result
from churnkit.core.stats.gamma_interval import event_mean_interval
from churnkit.core.stats.interval import Interval
from churnkit.evaluation.experiments.confidence_sequence import sequential_interval
from churnkit.evaluation.validation import EvaluationError, refuse

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "ExperimentReadout",
    "SampleRatio",
    "agresti_caffo_limits",
    "read_experiment",
    "sample_ratio",
]

_SUSPICIOUS = 0.001
_MIN_PER_ARM = 10
_MIN_FREEDOM = 10
_LARGE_ARM = 10_000
# Permutations of the arms: as many as this number of drawn rows, within limits.
_DRAWN_ROWS = 40_000_000
_MIN_PERMUTATIONS, _MAX_PERMUTATIONS = 499, 999
_BLOCK = 2_000_000
# Customers at which the always-valid interval is narrowest unless another number is planned.
_PLANNED = 10_000


@dataclass(frozen=True, slots=True)
class SampleRatio(Result):
    """Sample-ratio check: observed against designed share of treated customers.

    Parameters
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
class ExperimentReadout(PlottableResult):
    """Result of `read_experiment`.

    Parameters
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

    _display: ClassVar[str] = "IntervalDisplay"
    display_title: ClassVar[str] = "Effect"

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

    @property
    def intervals(self) -> dict[str, Interval]:
        """The effect as estimated, adjusted for covariates, and valid at any time."""
        names = ("effect", "adjusted", "always_valid")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

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
        ).rename_axis("estimate")


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
    outcome : (n,)
        Outcome of each customer: 0 and 1, or money; more is better.
    treated : (n,)
        True for treated customers, False for held-out ones, assigned at random.
    covariates : (n,) or (n, k)
        Values measured before the experiment, such as last year's spend.
    share
        Designed share of treated customers, for the sample-ratio check.
    planned
        Planned number of customers, where the always-valid interval is narrowest; 10,000 if not
        given. It must be the same at every look.
    level
        Confidence level of the intervals.

    Returns
    -------
    ExperimentReadout
        Means, effects and the sample-ratio check.

    Raises
    ------
    EvaluationError
        Lengths differ, a value is missing, or an arm has fewer than 10 customers.

    Notes
    -----
    Differences of shares are by Agresti and Caffo (2000). Differences of money are studentized
    and compared with permutations of the arms (Janssen 1997), exact without an effect even for
    a small holdout of heavy-tailed spend. The adjusted effect is that of a regression on the
    covariates with HC3 errors and permuted residuals (Freedman and Lane 1983). The relative
    effect combines the limits of both means on the log scale.

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
    means = _mean(value, arm, level), _mean(value, ~arm, level)
    effect = _difference(value, arm, level=level)
    adjusted, removed, variance = None, 0.0, _variance(*sides)
    if covariates is not None:
        adjusted, variance, removed = _adjusted(
            value, arm, _impute(covariates, len(value)), level=level
        )
    best = effect.value if adjusted is None else adjusted.value
    total_variance = variance + _unseen_variance(value, arm)
    return ExperimentReadout(
        treated=len(sides[0]),
        control=len(sides[1]),
        treated_mean=means[0],
        control_mean=means[1],
        effect=effect,
        relative=_relative(*means),
        adjusted=adjusted,
        variance_removed=removed,
        always_valid=sequential_interval(
            best,
            total_variance,
            planned_variance=(variance or total_variance) * len(value) / (planned or _PLANNED),
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
        Both shares, and the p-value.

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


def _adjusted(
    value: NDArray[np.float64],
    arm: NDArray[np.bool_],
    covariates: NDArray[np.float64],
    *,
    level: float,
) -> tuple[Interval, float, float]:
    """Return the effect adjusted by regression, its variance, and the share of variance removed.

    The variance is heteroscedasticity-consistent (HC3), which covers with many covariates too.
    """
    spread = covariates.std(axis=0)
    informative = spread > 1e-12 * np.abs(covariates).max(axis=0)
    scaled = (covariates - covariates.mean(axis=0))[:, informative] / spread[informative]
    left, singular, _ = np.linalg.svd(
        np.column_stack([np.ones(len(value)), scaled]), full_matrices=False
    )
    basis = left[:, singular > singular.max() * 1e-9]
    freedom = len(value) - basis.shape[1] - 1
    if freedom < _MIN_FREEDOM:
        raise EvaluationError(
            f"{covariates.shape[1]} covariates are too many for {len(value)} customers: use fewer"
        )
    # By Frisch, Waugh and Lovell: regress the rest of the outcome on the rest of the assignment.
    assigned = arm - basis @ (basis.T @ arm)
    outcome = value - basis @ (basis.T @ value)
    size = float(assigned @ assigned)
    effect = float(assigned @ outcome) / size
    error = outcome - effect * assigned
    leverage = (basis**2).sum(axis=1) + assigned**2 / size
    weighted = assigned * error / np.maximum(1 - leverage, 1e-6)
    variance = float(weighted @ weighted) / size**2
    plain = value - np.where(arm, value[arm].mean(), value[~arm].mean())
    total = float(plain @ plain) / (len(value) - 2)
    removed = max(0.0, 1 - float(error @ error) / freedom / total) if total > 0 else 0.0
    low, high = _t_limits(error, arm, level=level)
    reach = float(np.sqrt(variance))
    return Interval(effect, effect - high * reach, effect - low * reach), variance, removed


def _variance(treated: NDArray[np.float64], control: NDArray[np.float64]) -> float:
    return float(treated.var(ddof=1) / len(treated) + control.var(ddof=1) / len(control))


def _is_binary(*sides: NDArray[np.float64]) -> bool:
    return all(bool(np.isin(side, (0.0, 1.0)).all()) for side in sides)


def _difference(value: NDArray[np.float64], arm: NDArray[np.bool_], *, level: float) -> Interval:
    treated, control = value[arm], value[~arm]
    difference = float(treated.mean() - control.mean())
    if _is_binary(-value) and value.any():  # an outcome of which less is better
        mirrored = _difference(-value, arm, level=level)
        return Interval(difference, -mirrored.high, -mirrored.low)
    if not _is_binary(treated, control):
        error = float(np.sqrt(_variance(treated, control)))
        low, high = _t_limits(value - np.where(arm, difference, 0.0), arm, level=level)
        return Interval(difference, difference - high * error, difference - low * error)
    limits = agresti_caffo_limits(treated.sum(), len(treated), control.sum(), len(control), level)
    return Interval(difference, *map(float, limits))


def _t_limits(
    value: NDArray[np.float64], arm: NDArray[np.bool_], *, level: float
) -> tuple[float, float]:
    """Return the quantiles of the studentized difference over permutations of the arms.

    With a few held-out customers and heavy tails they are far from Student's, and unsymmetric.
    Without an effect the interval excludes zero at its nominal rate for any distribution. Arms
    above 10,000 customers have the normal quantiles.
    """
    from scipy.special import ndtri

    small = min(int(arm.sum()), int((~arm).sum()))
    if small > _LARGE_ARM:
        return float(ndtri((1 - level) / 2)), float(ndtri((1 + level) / 2))
    rows = len(value)
    rng = np.random.default_rng(0)
    centered = value - value.mean()
    squares = centered**2
    permutations = min(max(_DRAWN_ROWS // rows, _MIN_PERMUTATIONS), _MAX_PERMUTATIONS)
    blocks = []
    for start in range(0, permutations, max(1, _BLOCK // rows)):
        size = min(max(1, _BLOCK // rows), permutations - start)
        keys = rng.random((size, rows), dtype=np.float32)
        chosen = np.argpartition(keys, small, axis=1)[:, :small]
        blocks.append((centered[chosen].sum(axis=1), squares[chosen].sum(axis=1)))
    inside, inside_squares = (np.concatenate(sums) for sums in zip(*blocks, strict=True))
    outside, outside_squares = centered.sum() - inside, squares.sum() - inside_squares
    large = rows - small
    variance = (inside_squares - inside**2 / small) / (small - 1) / small
    variance += (outside_squares - outside**2 / large) / (large - 1) / large
    difference = inside / small - outside / large
    if arm.sum() != small:
        difference = -difference
    statistic = difference / np.sqrt(np.maximum(variance, np.finfo(np.float64).tiny))
    low, high = np.quantile(statistic, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def agresti_caffo_limits(
    treated: ArrayLike, treated_rows: int, control: ArrayLike, control_rows: int, level: float
) -> tuple[Any, Any]:
    """Return the limits of a difference of shares, from numbers of successes.

    References
    ----------
    Agresti, Caffo (2000), The American Statistician 54, doi:10.1080/00031305.2000.10474560.

    Examples
    --------
    >>> low, high = agresti_caffo_limits(8, 10, 5, 10, 0.95)
    >>> round(float(low), 3), round(float(high), 3)
    (-0.124, 0.624)
    """
    from scipy.special import ndtri

    first = (np.asarray(treated) + 1) / (treated_rows + 2)
    second = (np.asarray(control) + 1) / (control_rows + 2)
    error = np.sqrt(
        first * (1 - first) / (treated_rows + 2) + second * (1 - second) / (control_rows + 2)
    )
    reach = ndtri((1 + level) / 2) * error
    return first - second - reach, first - second + reach


def _mean(value: NDArray[np.float64], arm: NDArray[np.bool_], level: float) -> Interval:
    side = value[arm]
    mean, count = float(side.mean()), len(side)
    if _is_binary(-value) and value.any():
        mirrored = _mean(-value, arm, level)
        return Interval(mean, -mirrored.high, -mirrored.low)
    if not _is_binary(value):
        # Sizes of events come from both arms, since a small one may lack the large ones.
        weight = arm / arm.mean()
        interval = event_mean_interval(mean * (1 - weight), weight, value, level=level)
        return Interval(mean, interval.low, interval.high)
    from scipy.special import ndtri

    # Wilson's interval, since shares near zero are common.
    z = float(ndtri((1 + level) / 2))
    center = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z * np.sqrt(mean * (1 - mean) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return Interval(mean, float(center - reach), float(center + reach))


def _unseen_variance(value: NDArray[np.float64], arm: NDArray[np.bool_]) -> float:
    """Return the variance of two more events of typical size in each arm.

    The variance of an arm without events is 0 until the first; looks before it would be wrong.
    """
    size = np.abs(value - np.median(value))
    typical = float((size**2).sum() / size.sum()) if size.any() else 0.0
    return 2 * typical**2 * (1 / float(arm.sum()) ** 2 + 1 / float((~arm).sum()) ** 2)


def _relative(treated: Interval, control: Interval) -> Interval | None:
    """Return the ratio of the means minus 1, from the limits of each on the log scale (MOVER)."""
    if min(treated.value, treated.low, control.value, control.low) <= 0:
        return None
    log = [(np.log(mean.low), np.log(mean.value), np.log(mean.high)) for mean in (treated, control)]
    ratio = log[0][1] - log[1][1]
    below = np.hypot(log[0][1] - log[0][0], log[1][2] - log[1][1])
    above = np.hypot(log[0][2] - log[0][1], log[1][1] - log[1][0])
    return Interval(*(float(np.expm1(end)) for end in (ratio, ratio - below, ratio + above)))
