"""Intervals of a policy's gain compared by method, without an effect and with one.

Run ``python -m benchmarks.policy_intervals``. Arm 1 is explored with a small probability, and the
gain of always taking it is estimated doubly robust with a constant reward model. Error rates are
those of an interval that excludes the true gain on either side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm

from benchmarks.publish import machine, publish
from churnkit.evaluation import PolicyLog, cross_fitted_rewards
from churnkit.evaluation.off_policy.estimators import estimator_rows, on_policy_rows
from churnkit.evaluation.off_policy.intervals import ValueIntervals

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Limits = tuple[float, float]

RUNS = 400
RESAMPLES = 400
_TAIL = 0.025


@dataclass(frozen=True)
class Setting:
    """A kind of log: rewards (rng, arm) of its rows, and the mean effect of arm 1."""

    name: str
    rows: int
    share: float
    reward: Callable[[np.random.Generator, NDArray[np.bool_]], NDArray[np.float64]]
    effect: float = 0.0

    @property
    def gain(self) -> float:
        """True gain of always taking arm 1, which the log takes with probability `share`."""
        return self.effect * (1 - self.share)


def churn(
    rate: float, treated: float
) -> Callable[[np.random.Generator, NDArray[np.bool_]], NDArray[np.float64]]:
    """Return rewards of 0 and -1: churn at `rate`, and at `treated` under arm 1."""

    def draw(rng: np.random.Generator, arm: NDArray[np.bool_]) -> NDArray[np.float64]:
        return -(rng.random(len(arm)) < np.where(arm, treated, rate)).astype(np.float64)

    return draw


def money(
    rate: float, sigma: float, *, sign: float = 1.0, lift: float = 0.0
) -> Callable[[np.random.Generator, NDArray[np.bool_]], NDArray[np.float64]]:
    """Return log-normal amounts for a share of the rows; arm 1 raises the share by `lift`."""

    def draw(rng: np.random.Generator, arm: NDArray[np.bool_]) -> NDArray[np.float64]:
        paid = rng.random(len(arm)) < rate * (1 + lift * arm)
        return sign * paid * rng.lognormal(3.0, sigma, len(arm))

    return draw


SETTINGS = (
    Setting("churn 1%", 300, 0.05, churn(0.01, 0.01)),
    Setting("churn 1%", 1500, 0.05, churn(0.01, 0.01)),
    Setting("churn 1%", 3000, 0.05, churn(0.01, 0.01)),
    Setting("money lost by 2%", 2000, 0.05, money(0.02, 1.2, sign=-1.0)),
    Setting("spend of 30%", 600, 0.05, money(0.3, 1.5)),
    Setting("spend of 30%", 3000, 0.05, money(0.3, 1.5)),
    Setting("spend of 10%, heavy tail", 3000, 0.2, money(0.1, 2.0)),
    Setting("churn 20%, 12% by the arm", 3000, 0.2, churn(0.2, 0.12), effect=0.08),
    Setting("churn 5%, 2% by the arm", 3000, 0.2, churn(0.05, 0.02), effect=0.03),
    Setting(
        "spend of 30%, +40% by the arm",
        3000,
        0.3,
        money(0.3, 1.0, lift=0.4),
        effect=0.3 * 0.4 * float(np.exp(3.5)),
    ),
)


def normal(rows: NDArray[np.float64]) -> Limits:
    """Return the mean's normal limits."""
    reach = norm.ppf(1 - _TAIL) * rows.std(ddof=1) / np.sqrt(len(rows))
    return rows.mean() - reach, rows.mean() + reach


def bootstraps(rows: NDArray[np.float64], rng: np.random.Generator) -> dict[str, Limits]:
    """Return limits by percentiles of resampled means, and of studentized ones."""
    # Many rows are equal, so that a resample is a multinomial count of the distinct values.
    values, counts = np.unique(rows, return_counts=True)
    drawn = rng.multinomial(len(rows), counts / len(rows), size=RESAMPLES)
    means = drawn @ values / len(rows)
    spread = np.sqrt(np.maximum(drawn @ values**2 / len(rows) - means**2, 0) / len(rows))
    low, high = np.quantile(means, [_TAIL, 1 - _TAIL])
    error = rows.std() / np.sqrt(len(rows))
    studentized = np.divide(
        means - rows.mean(), spread, out=np.full(RESAMPLES, np.inf), where=spread > 0
    )
    # A resample without spread has an infinite statistic of the sign of its difference.
    studentized = np.where(spread > 0, studentized, np.copysign(np.inf, means - rows.mean()))
    first, last = np.quantile(studentized, [_TAIL, 1 - _TAIL], method="nearest")
    reach = (last * error, first * error) if error > 0 else (0.0, 0.0)
    return {
        "bootstrap, percentiles": (low, high),
        "bootstrap-t": (rows.mean() - reach[0], rows.mean() - reach[1]),
    }


def empirical_likelihood(rows: NDArray[np.float64]) -> Limits:
    """Return the limits of the mean by Owen's empirical likelihood ratio (1988)."""
    limit = chi2.ppf(1 - 2 * _TAIL, 1)
    mean = float(rows.mean())
    if rows.max() == rows.min():
        return mean, mean

    def statistic(candidate: float) -> float:
        centered = rows - candidate
        low, high = -1 / centered.max(), -1 / centered.min()
        gap = 1e-10 * (high - low)
        if _slope(low + gap, centered) <= 0 or _slope(high - gap, centered) >= 0:
            return np.inf
        multiplier = float(brentq(_slope, low + gap, high - gap, args=(centered,)))
        return float(2 * np.log1p(multiplier * centered).sum())

    return (
        _crossing(statistic, mean, float(rows.min()), limit),
        _crossing(statistic, mean, float(rows.max()), limit),
    )


def adjusted_likelihood(rows: NDArray[np.float64]) -> Limits:
    """Return the limits with the pseudo-observation of Chen, Variyath and Abraham (2008)."""
    limit = chi2.ppf(1 - 2 * _TAIL, 1)
    mean, count = float(rows.mean()), len(rows)
    strength = max(1.0, np.log(count) / 2)

    def statistic(candidate: float) -> float:
        centered = np.append(rows - candidate, -strength * (mean - candidate))
        if centered.max() <= 0 or centered.min() >= 0:
            return 0.0
        low, high = -1 / centered.max(), -1 / centered.min()
        gap = 1e-10 * (high - low)
        multiplier = float(brentq(_slope, low + gap, high - gap, args=(centered,)))
        return float(2 * np.log1p(multiplier * centered).sum())

    far = 20 * (rows.max() - rows.min() + 1e-12)
    return (
        _crossing(statistic, mean, mean - far, limit),
        _crossing(statistic, mean, mean + far, limit),
    )


def _slope(multiplier: float, centered: NDArray[np.float64]) -> float:
    """Return the derivative of the empirical likelihood by its multiplier."""
    return float((centered / (1 + multiplier * centered)).sum())


def _crossing(
    statistic: Callable[[float], float], inside: float, outside: float, limit: float
) -> float:
    """Return where a statistic that grows away from `inside` reaches its limit."""
    for _ in range(50):
        middle = (inside + outside) / 2
        if statistic(middle) > limit:
            outside = middle
        else:
            inside = middle
    return inside


def betting(rows: NDArray[np.float64], low: float, high: float) -> Limits:
    """Return the limits by betting with predictable plug-in stakes (Waudby-Smith, Ramdas 2024)."""
    scaled = (rows - low) / (high - low)
    count, rank = len(rows), np.arange(1, len(rows) + 1)
    mean = (0.5 + np.cumsum(scaled)) / (rank + 1)
    variance = (0.25 + np.cumsum((scaled - mean) ** 2)) / (rank + 1)
    earlier = np.append(0.25, variance[:-1])
    stake = np.sqrt(2 * np.log(1 / _TAIL) / (count * earlier))

    def wealth(candidate: float, sign: float) -> float:
        room = candidate if sign > 0 else 1 - candidate
        bet = np.minimum(stake, 0.75 / max(room, 1e-12))
        return float(np.cumsum(np.log1p(sign * bet * (scaled - candidate))).max())

    limit = np.log(1 / _TAIL)
    center = float(scaled.mean())
    limits = (
        _crossing(lambda m: wealth(m, 1.0), center, 0.0, limit),
        _crossing(lambda m: wealth(m, -1.0), center, 1.0, limit),
    )
    return low + limits[0] * (high - low), low + limits[1] * (high - low)


def intervals(setting: Setting, rng: np.random.Generator) -> dict[str, Limits]:
    """Draw a log, and return the gain's limits by each method."""
    arm = rng.random(setting.rows) < setting.share
    reward = setting.reward(rng, arm)
    propensity = np.where(arm, setting.share, 1 - setting.share)
    log = PolicyLog.from_columns(arm, propensity, reward, arms=2)
    policy = np.tile([0.0, 1.0], (setting.rows, 1))
    expected = cross_fitted_rewards(log, model="mean", policy=policy).expected
    gain = estimator_rows(log, policy, expected)["dr"] - on_policy_rows(log)
    reward_range = (-1.0, 0.0) if log.is_binary or set(np.unique(reward)) <= {-1.0, 0.0} else None
    kinds = {
        kind: ValueIntervals(kind, reward_range).of(gain, log) for kind in ("gamma", "bernstein")
    }
    low, high = ValueIntervals(reward_range=reward_range).bounds(log)
    middle = float(expected.mean())
    ends = np.outer([-1.0, 1 / setting.share - 1], [low - middle, high - middle])
    slack = float(np.abs(expected - middle).max()) * (1 + 1 / setting.share)
    return {
        "gamma limits": (kinds["gamma"].low, kinds["gamma"].high),
        "normal": normal(gain.rows),
        **bootstraps(gain.rows, rng),
        "empirical likelihood": empirical_likelihood(gain.rows),
        "adjusted empirical likelihood": adjusted_likelihood(gain.rows),
        "empirical Bernstein": (kinds["bernstein"].low, kinds["bernstein"].high),
        "betting": betting(gain.rows, ends.min() - slack, ends.max() + slack),
    }


def measure(setting: Setting, seed: int) -> dict[str, dict[str, float]]:
    """Return rates and the mean width of each method over the runs."""
    limits: dict[str, list[Limits]] = {}
    for generator in np.random.SeedSequence(seed).spawn(RUNS):
        for method, pair in intervals(setting, np.random.default_rng(generator)).items():
            limits.setdefault(method, []).append(pair)
    measured = {}
    for method, pairs in limits.items():
        low, high = np.array(pairs).T
        measured[method] = {
            "better": float((low > 0).mean()),
            "worse": float((high < 0).mean()),
            "covered": float(((low <= setting.gain) & (setting.gain <= high)).mean()),
            "width": float(np.median(high - low)),
        }
    return measured


def table(entries: list[dict[str, Any]], cell: Callable[[dict[str, float]], str]) -> list[str]:
    """Return a table with a row per log and a column per method."""
    methods = list(entries[0]["methods"])
    return [
        "",
        f"| log | {' | '.join(methods)} |",
        f"|---|{'---:|' * len(methods)}",
        *(
            f"| {entry['name']}, explored at {entry['share']:.0%}, {entry['rows']:,} rows | "
            f"{' | '.join(cell(entry['methods'][method]) for method in methods)} |"
            for entry in entries
        ),
    ]


def section(results: dict[str, Any]) -> str:
    entries = results["settings"]
    for entry in entries:
        for rates in entry["methods"].values():
            rates["ratio"] = rates["width"] / entry["methods"]["gamma limits"]["width"]
    null = [entry for entry in entries if not entry["gain"]]
    other = [entry for entry in entries if entry["gain"]]
    return "\n".join(
        [
            "## Intervals of a policy's gain",
            "",
            (
                f"`python -m benchmarks.policy_intervals`: {results['runs']} logs each. Without an "
                "effect, intervals above and below zero; nominal rates 2.5% / 2.5%:"
            ),
            *table(null, lambda rates: f"{rates['better']:.1%} / {rates['worse']:.1%}"),
            "",
            "With an effect, intervals above zero / intervals that contain the true gain:",
            *table(other, lambda rates: f"{rates['better']:.1%} / {rates['covered']:.1%}"),
            "",
            "Median width as a multiple of that of the gamma limits:",
            *table(entries, lambda rates: f"{rates['ratio']:.2f}"),
        ]
    )


def main() -> None:
    settings = [
        {
            "name": setting.name,
            "rows": setting.rows,
            "share": setting.share,
            "gain": setting.gain,
            "methods": measure(setting, seed),
        }
        for seed, setting in enumerate(SETTINGS)
    ]
    results = {**machine("numpy", "scipy"), "runs": RUNS, "settings": settings}
    publish("policy_intervals", results, section(results))


if __name__ == "__main__":
    main()
