"""Regret of the bandit and of mabwiser's LinUCB and LinTS, and its value on Open Bandit's logs.

Run ``python -m benchmarks.bandit``; it needs ``pip install mabwiser``, and the Open Bandit logs
under ``CHURNKIT_DATA_DIR``. All bandits learn from the same customers in the same batches.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.policy import encoded
from benchmarks.publish import machine, publish
from churnkit.datasets import load
from churnkit.decisions import slate_probabilities
from churnkit.evaluation import PolicyLog, evaluate_policy
from churnkit.models import BanditBatch, LinearBandit

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROUNDS, BATCH, RUNS = 3000, 20, 10
# Settings were chosen on seeds below 2,000.
FIRST_SEED = 2_000
ALPHAS = (0.1, 0.5, 1.0)
HALF_LIFE = 300
WINDOW = 500


@dataclass(frozen=True)
class World:
    """Customers, options and the expected reward of each option for each customer.

    Attributes
    ----------
    customers : (rounds, f)
    options : (options, g)
    value : (rounds, options) expected rewards
    noise : (rounds,) standard normal, or uniform for binary rewards
    binary
        True if rewards are 0 and 1.
    first_round : (options,) the round from which an option is available
    """

    customers: NDArray[np.float64]
    options: NDArray[np.float64]
    value: NDArray[np.float64]
    noise: NDArray[np.float64]
    binary: bool
    first_round: NDArray[np.int_]

    def reward(self, rows: slice, arm: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the rewards of the chosen options."""
        value = self.value[rows][np.arange(len(arm)), arm]
        noise = self.noise[rows]
        return (noise < value).astype(float) if self.binary else value + 0.5 * noise

    def regret(self, rows: slice, arm: NDArray[np.intp], available: NDArray[np.intp]) -> float:
        """Return the expected loss against the best available options."""
        best = self.value[rows][:, available].max(axis=1)
        return float((best - self.value[rows][np.arange(len(arm)), arm]).sum())


def linear(seed: int) -> World:
    """Ten options, each linear in five customer features."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROUNDS, 5))
    value = X @ rng.normal(scale=0.4, size=(5, 10)) + rng.normal(scale=0.3, size=10)
    start = np.zeros(10, dtype=int)
    return World(X, np.empty((10, 0)), value, rng.normal(size=ROUNDS), False, start)


def flip(seed: int) -> World:
    """Return the linear world with all rewards negated from the middle on."""
    world = linear(seed)
    sign = np.where(np.arange(ROUNDS) < ROUNDS // 2, 1.0, -1.0)
    return replace(world, value=sign[:, None] * world.value)


def drift(seed: int) -> World:
    """Return a linear world whose coefficients turn by 180 degrees over the rounds."""
    rng = np.random.default_rng([seed, 1])
    world = linear(seed)
    other = world.customers @ rng.normal(scale=0.4, size=(5, 10)) + rng.normal(scale=0.3, size=10)
    angle = np.pi * np.arange(ROUNDS)[:, None] / ROUNDS
    return replace(world, value=np.cos(angle) * world.value + np.sin(angle) * other)


def clicks(seed: int) -> World:
    """Twenty offers with three features; click rates depend on the features."""
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(ROUNDS, 4)), rng.normal(size=(20, 3))
    raw = X @ rng.normal(scale=0.4, size=(4, 3)) @ Z.T + Z @ rng.normal(scale=0.5, size=3)
    raw = raw + X @ rng.normal(scale=0.2, size=(4, 20)) - 1.5
    start = np.zeros(20, dtype=int)
    return World(X, Z, 1 / (1 + np.exp(-raw)), rng.random(ROUNDS), True, start)


def new_offers(seed: int) -> World:
    """Return the same with eight offers at first, and another every two hundred rounds."""
    return replace(clicks(seed), first_round=np.maximum(0, (np.arange(20) - 7) * 200))


WORLDS: dict[str, Callable[[int], World]] = {
    "10 options, linear, money": linear,
    "20 offers with features, clicks": clicks,
    "the same, new offers": new_offers,
    "linear, sign flip in the middle": flip,
    "linear, drift": drift,
}


def by_churnkit(
    world: World,
    seed: int,
    *,
    epsilon: float = 0.0,
    half_life: float | None = None,
    adaptive: bool = True,
) -> float:
    bandit = LinearBandit.new(
        customer_features=world.customers.shape[1],
        option_features=world.options.shape[1],
        half_life=half_life,
        adaptive=adaptive,
        seed=seed,
    )
    rng, regret = np.random.default_rng(seed), 0.0
    for start in range(0, ROUNDS, BATCH):
        rows = slice(start, start + BATCH)
        available = np.flatnonzero(world.first_round <= start)
        names = [str(option) for option in available]
        X = world.customers[rows]
        draws = bandit.sample(X, names, world.options[available])
        probability = slate_probabilities(draws, epsilon=epsilon)[:, :, 0]
        chosen = (probability.cumsum(axis=1) > rng.random((BATCH, 1))).argmax(axis=1)
        arm = available[chosen]
        regret += world.regret(rows, arm, available)
        names = [str(option) for option in arm]
        bandit = bandit.update(BanditBatch(X, names, world.options[arm], world.reward(rows, arm)))
    return regret


def by_mabwiser(world: World, seed: int, *, policy: Any, window: int | None = None) -> float:
    """Run a policy of mabwiser; with a window it is refitted on the last rounds before each batch."""
    from mabwiser.mab import MAB

    X = np.column_stack([np.ones(ROUNDS), world.customers])
    arms = [int(option) for option in np.flatnonzero(world.first_round == 0)]
    bandit, rng, regret = MAB(arms, policy, seed=seed), np.random.default_rng(seed), 0.0
    shown, rewards = np.empty(ROUNDS, dtype=int), np.empty(ROUNDS)
    for start in range(0, ROUNDS, BATCH):
        rows = slice(start, start + BATCH)
        available = np.flatnonzero(world.first_round <= start)
        for option in sorted(set(available.tolist()) - set(arms)):
            bandit.add_arm(int(option))
            arms.append(int(option))
        if start:
            arm = np.asarray(bandit.predict(X[rows]), dtype=np.intp)
        else:
            arm = rng.choice(available, size=BATCH)
        regret += world.regret(rows, arm, available)
        shown[rows], rewards[rows] = arm, world.reward(rows, arm)
        learn = bandit.partial_fit if start and window is None else bandit.fit
        if window is not None:
            rows = slice(max(0, start + BATCH - window), start + BATCH)
        learn(shown[rows].tolist(), rewards[rows].tolist(), X[rows])
    return regret


def at_random(world: World, seed: int) -> float:
    rng = np.random.default_rng(seed)
    regret = 0.0
    for start in range(0, ROUNDS, BATCH):
        rows = slice(start, start + BATCH)
        available = np.flatnonzero(world.first_round <= start)
        regret += world.regret(rows, rng.choice(available, size=BATCH), available)
    return regret


def policies() -> dict[str, Callable[[World, int], float]]:
    from mabwiser.mab import LearningPolicy

    runs: dict[str, Callable[[World, int], float]] = {
        "churnkit, Thompson": by_churnkit,
        "churnkit, Thompson and a floor of 2%": partial(by_churnkit, epsilon=0.02),
        f"churnkit, Thompson, half-life {HALF_LIFE}": partial(by_churnkit, half_life=HALF_LIFE),
    }
    for alpha in ALPHAS:
        for name, kind in (("LinUCB", LearningPolicy.LinUCB), ("LinTS", LearningPolicy.LinTS)):
            policy = kind(alpha=alpha)
            runs[f"mabwiser {name}, alpha {alpha:g}"] = partial(by_mabwiser, policy=policy)
    for name, kind in (("LinUCB", LearningPolicy.LinUCB), ("LinTS", LearningPolicy.LinTS)):
        title = f"mabwiser {name}, alpha {ALPHAS[0]:g}, refitted on the last {WINDOW}"
        runs[title] = partial(by_mabwiser, policy=kind(alpha=ALPHAS[0]), window=WINDOW)
    return runs | {"at random": at_random}


def regrets() -> dict[str, Any]:
    table: dict[str, Any] = {}
    for title, make in WORLDS.items():
        worlds = [make(FIRST_SEED + run) for run in range(RUNS)]
        table[title] = {}
        for name, policy in policies().items():
            started = time.process_time()
            runs = [policy(world, seed) for seed, world in enumerate(worlds)]
            table[title][name] = {
                "regret": float(np.mean(runs)),
                "error": float(np.std(runs, ddof=1) / np.sqrt(RUNS)),
                "cpu_seconds": (time.process_time() - started) / RUNS,
            }
    return table


def open_bandit() -> dict[str, Any]:
    """Learn from the first half of the uniform logs, evaluate on the second half."""
    tables = load("open_bandit")
    log, items = tables["random"], tables["random_items"]
    X = encoded(log)
    arm = log["item_id"].to_numpy()
    position = log["position"].to_numpy() - 1
    click = log["click"].to_numpy().astype(float)
    feature = items["item_feature_0"].to_numpy().astype(float)[:, None]
    names = [str(item) for item in range(34)]
    half = len(arm) // 2
    first, second = slice(0, half), slice(half, None)
    bandit = LinearBandit.new(
        customer_features=X.shape[1], option_features=1, prior=100.0, option_prior=100.0
    ).update(
        BanditBatch(
            X[first], [names[item] for item in arm[first]], feature[arm[first]], click[first]
        )
    )
    policy = slate_probabilities(bandit.sample(X[second], names, feature), size=3, epsilon=0.1)
    log_half = PolicyLog.from_columns(
        arm[second],
        log["propensity_score"].to_numpy()[second],
        click[second],
        features=X[second],
        arms=34,
        position=position[second],
    )
    evaluation = evaluate_policy(log_half, policy, seed=0)
    return {
        "rows": len(log_half),
        "effective_rows": evaluation.overlap.effective_rows,
        "mean_weight": evaluation.overlap.mean_weight,
        "uniform": evaluation.on_policy.to_dict(),
        "dr": evaluation["dr"].to_dict(),
        "snips": evaluation["snips"].to_dict(),
    }


def main() -> None:
    with threadpool_limits(1):
        results: dict[str, Any] = {
            **machine("numpy", "mabwiser"),
            "rounds": ROUNDS,
            "batch": BATCH,
            "runs": RUNS,
            "worlds": regrets(),
            "open_bandit": open_bandit(),
        }
    publish("bandit", results, section(results))


def section(results: dict[str, Any]) -> str:
    worlds, logs = results["worlds"], results["open_bandit"]
    names = list(next(iter(worlds.values())))
    return "\n".join(
        [
            "## Regret of the bandit",
            "",
            (
                f"`python -m benchmarks.bandit`: total regret of {results['rounds']:,} rounds in "
                f"batches of {results['batch']}, mean of {results['runs']} runs ± standard error, "
                "and CPU s per run. No setting was chosen on these runs; mabwiser's default is "
                "alpha 1. The last two worlds change over time."
            ),
            "",
            f"| | {' | '.join(f'{title} | CPU s' for title in worlds)} |",
            f"|---|{'---:|' * (2 * len(worlds))}",
            *(
                f"| {name} | "
                + " | ".join(
                    f"{runs[name]['regret']:.0f} ± {runs[name]['error']:.0f} | "
                    f"{runs[name]['cpu_seconds']:.1f}"
                    for runs in worlds.values()
                )
                + " |"
                for name in names
            ),
            "",
            (
                "Open Bandit, campaign men: learned from the first half of the uniform logs and "
                f"evaluated on the second ({logs['rows']:,} decisions, effective sample size "
                f"{logs['effective_rows']:,.0f}): click rate {logs['dr']['value']:.4f} "
                f"({logs['dr']['low']:.4f} to {logs['dr']['high']:.4f}), doubly robust; "
                f"uniform {logs['uniform']['value']:.4f} ({logs['uniform']['low']:.4f} to "
                f"{logs['uniform']['high']:.4f})."
            ),
        ]
    )


if __name__ == "__main__":
    main()
