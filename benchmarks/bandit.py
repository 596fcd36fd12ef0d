"""Regret of the bandit beside mabwiser's LinUCB and LinTS, and its value on Open Bandit's logs.

Run ``python -m benchmarks.bandit``; it needs ``pip install mabwiser``, and the Open Bandit logs
under ``CHURNKIT_DATA_DIR``. All learn from the same customers in the same batches.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
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
# The bandit's own settings were chosen on seeds below 2,000.
FIRST_SEED = 2_000
ALPHAS = (0.1, 0.5, 1.0)


@dataclass(frozen=True)
class World:
    """Customers, options and what each option is worth to each customer.

    Attributes
    ----------
    customers : (rounds, f)
    options : (options, g)
    value : (rounds, options) expected rewards
    noise : (rounds,) drawn beforehand: standard normal, or uniform for rewards of 0 and 1
    binary
        Whether rewards are 0 and 1.
    comes : (options,) the round from which an option is there
    """

    customers: NDArray[np.float64]
    options: NDArray[np.float64]
    value: NDArray[np.float64]
    noise: NDArray[np.float64]
    binary: bool
    comes: NDArray[np.int_]

    def reward(self, rows: slice, arm: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return what the chosen options bring."""
        value = self.value[rows][np.arange(len(arm)), arm]
        noise = self.noise[rows]
        return (noise < value).astype(float) if self.binary else value + 0.5 * noise

    def regret(self, rows: slice, arm: NDArray[np.intp], there: NDArray[np.intp]) -> float:
        """Return how much less that is than the best options that are there."""
        best = self.value[rows][:, there].max(axis=1)
        return float((best - self.value[rows][np.arange(len(arm)), arm]).sum())


def apart(seed: int) -> World:
    """Ten options, each with a straight line of its own over five customer features."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROUNDS, 5))
    value = X @ rng.normal(scale=0.4, size=(5, 10)) + rng.normal(scale=0.3, size=10)
    come = np.zeros(10, dtype=int)
    return World(X, np.empty((10, 0)), value, rng.normal(size=ROUNDS), False, come)


def clicks(seed: int) -> World:
    """Twenty offers with three features, clicked or not; what is liked follows the features."""
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(ROUNDS, 4)), rng.normal(size=(20, 3))
    raw = X @ rng.normal(scale=0.4, size=(4, 3)) @ Z.T + Z @ rng.normal(scale=0.5, size=3)
    raw = raw + X @ rng.normal(scale=0.2, size=(4, 20)) - 1.5
    come = np.zeros(20, dtype=int)
    return World(X, Z, 1 / (1 + np.exp(-raw)), rng.random(ROUNDS), True, come)


def coming(seed: int) -> World:
    """The same with eight offers at first, and another every two hundred rounds."""
    world = clicks(seed)
    come = np.maximum(0, (np.arange(20) - 7) * 200)
    return World(world.customers, world.options, world.value, world.noise, True, come)


WORLDS: dict[str, Callable[[int], World]] = {
    "10 options apart, money": apart,
    "20 offers with features, clicks": clicks,
    "the same, offers coming": coming,
}


def by_churnkit(world: World, seed: int, *, epsilon: float) -> float:
    bandit = LinearBandit.new(
        customer_features=world.customers.shape[1],
        option_features=world.options.shape[1],
        seed=seed,
    )
    rng, regret = np.random.default_rng(seed), 0.0
    for start in range(0, ROUNDS, BATCH):
        rows = slice(start, start + BATCH)
        there = np.flatnonzero(world.comes <= start)
        names = [str(at) for at in there]
        X = world.customers[rows]
        chance = slate_probabilities(
            bandit.sample(X, names, world.options[there]), epsilon=epsilon
        )[:, :, 0]
        drawn = (chance.cumsum(axis=1) > rng.random((BATCH, 1))).argmax(axis=1)
        arm = there[drawn]
        regret += world.regret(rows, arm, there)
        bandit = bandit.update(
            BanditBatch(X, [str(at) for at in arm], world.options[arm], world.reward(rows, arm))
        )
    return regret


def by_mabwiser(world: World, seed: int, *, policy: Any) -> float:
    from mabwiser.mab import MAB

    X = np.column_stack([np.ones(ROUNDS), world.customers])
    known = [int(at) for at in np.flatnonzero(world.comes == 0)]
    bandit, rng, regret = MAB(known, policy, seed=seed), np.random.default_rng(seed), 0.0
    for start in range(0, ROUNDS, BATCH):
        rows = slice(start, start + BATCH)
        there = np.flatnonzero(world.comes <= start)
        for option in sorted(set(there.tolist()) - set(known)):
            bandit.add_arm(int(option))
            known.append(int(option))
        if start:
            arm = np.asarray(bandit.predict(X[rows]), dtype=np.intp)
        else:
            arm = rng.choice(there, size=BATCH)
        regret += world.regret(rows, arm, there)
        learn = bandit.partial_fit if start else bandit.fit
        learn(arm.tolist(), world.reward(rows, arm).tolist(), X[rows])
    return regret


def ways() -> dict[str, Callable[[World, int], float]]:
    from mabwiser.mab import LearningPolicy

    found: dict[str, Callable[[World, int], float]] = {
        "churnkit, Thompson": partial(by_churnkit, epsilon=0.0),
        "churnkit, Thompson and a floor of 2%": partial(by_churnkit, epsilon=0.02),
    }
    for alpha in ALPHAS:
        for name, kind in (("LinUCB", LearningPolicy.LinUCB), ("LinTS", LearningPolicy.LinTS)):
            policy = kind(alpha=alpha)
            found[f"mabwiser {name}, alpha {alpha:g}"] = partial(by_mabwiser, policy=policy)
    return found


def regrets() -> dict[str, Any]:
    table: dict[str, Any] = {}
    for title, make in WORLDS.items():
        worlds = [make(FIRST_SEED + run) for run in range(RUNS)]
        table[title] = {}
        for name, way in ways().items():
            started = time.process_time()
            runs = [way(world, seed) for seed, world in enumerate(worlds)]
            table[title][name] = {
                "regret": float(np.mean(runs)),
                "error": float(np.std(runs, ddof=1) / np.sqrt(RUNS)),
                "cpu_seconds": (time.process_time() - started) / RUNS,
            }
    return table


def open_bandit() -> dict[str, Any]:
    """Learn from the first half of the uniform logs; be judged on the second half."""
    tables = load("open_bandit")
    log, items = tables["random"], tables["random_items"]
    X = encoded(log)
    arm = log["item_id"].to_numpy()
    place = log["position"].to_numpy() - 1
    click = log["click"].to_numpy().astype(float)
    feature = items["item_feature_0"].to_numpy().astype(float)[:, None]
    names = [str(at) for at in range(34)]
    half = len(arm) // 2
    first, second = slice(0, half), slice(half, None)
    bandit = LinearBandit.new(
        customer_features=X.shape[1], option_features=1, prior=100.0, option_prior=100.0
    ).update(
        BanditBatch(X[first], [names[at] for at in arm[first]], feature[arm[first]], click[first])
    )
    policy = slate_probabilities(bandit.sample(X[second], names, feature), size=3, epsilon=0.1)
    judged = PolicyLog.from_columns(
        arm[second],
        log["propensity_score"].to_numpy()[second],
        click[second],
        features=X[second],
        arms=34,
        position=place[second],
    )
    found = evaluate_policy(judged, policy, seed=0)
    return {
        "rows": len(judged),
        "effective_rows": found.overlap.effective_rows,
        "mean_weight": found.overlap.mean_weight,
        "uniform": found.on_policy.to_dict(),
        "dr": found["dr"].to_dict(),
        "snips": found["snips"].to_dict(),
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
    worlds, judged = results["worlds"], results["open_bandit"]
    names = list(next(iter(worlds.values())))
    return "\n".join(
        [
            "## Regret of the bandit",
            "",
            (
                f"`python -m benchmarks.bandit`: what {results['rounds']:,} rounds in batches of "
                f"{results['batch']} bring less than the best option each time; mean of "
                f"{results['runs']} runs ± its standard error, and CPU s a run. No setting was "
                "chosen on these runs; mabwiser's own default is alpha 1."
            ),
            "",
            f"| | {' | '.join(f'{title} | CPU s' for title in worlds)} |",
            f"|---|{'---:|' * (2 * len(worlds))}",
            *(
                f"| {name} | "
                + " | ".join(
                    f"{each[name]['regret']:.0f} ± {each[name]['error']:.0f} | "
                    f"{each[name]['cpu_seconds']:.1f}"
                    for each in worlds.values()
                )
                + " |"
                for name in names
            ),
            "",
            (
                "Open Bandit, campaign men: learned from the first half of the uniform logs and "
                f"judged on the second ({judged['rows']:,} decisions, which tell as much as "
                f"{judged['effective_rows']:,.0f} of its own): click rate {judged['dr']['value']:.4f} "
                f"({judged['dr']['low']:.4f} to {judged['dr']['high']:.4f}), doubly robust; "
                f"uniform {judged['uniform']['value']:.4f} ({judged['uniform']['low']:.4f} to "
                f"{judged['uniform']['high']:.4f})."
            ),
        ]
    )


if __name__ == "__main__":
    main()
