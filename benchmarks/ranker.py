"""The learned ranker compared with the policy that logged its data, on Open Bandit and rare clicks.

Run ``python -m benchmarks.ranker``; the Open Bandit logs are read from ``CHURNKIT_DATA_DIR``. No
setting was chosen on the seeds used here, except by the Open Bandit logs themselves.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.bandit import FIRST_SEED, HALF_LIFE, WORLDS, by_churnkit
from benchmarks.policy import encoded
from benchmarks.publish import machine, publish
from churnkit.datasets import load
from churnkit.decisions import slate_probabilities
from churnkit.evaluation import PolicyLog, evaluate_policy
from churnkit.models import BanditBatch, LinearBandit

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHUFFLES, PLACES, EPSILON = 10, 3, 0.05
OPTIONS, CLICK_RATE = 34, 0.0046
SIZES, WORLD_RUNS = (5_000, 50_000, 500_000), 5
REGRET_RUNS = 6


def open_bandit(name: str) -> dict[str, Any]:
    """Learn from one half of a log and evaluate on the other, for shuffles of its rows."""
    tables = load("open_bandit")
    log, items = tables[name], tables[f"{name}_items"]
    X, arm = encoded(log), log["item_id"].to_numpy()
    click = log["click"].to_numpy().astype(float)
    propensity, position = log["propensity_score"].to_numpy(), log["position"].to_numpy() - 1
    feature = items["item_feature_0"].to_numpy().astype(float)[:, None]
    names = [str(item) for item in range(OPTIONS)]
    runs: list[dict[str, Any]] = []
    for shuffle in range(SHUFFLES):
        rows = np.random.default_rng(shuffle).permutation(len(click))
        halves = rows[: len(rows) // 2], rows[len(rows) // 2 :]
        for learned, held in (halves, halves[::-1]):
            bandit = LinearBandit.new(customer_features=X.shape[1], option_features=1)
            bandit = bandit.fit_scale(X[learned], feature).update(
                BanditBatch(
                    X[learned],
                    [names[item] for item in arm[learned]],
                    feature[arm[learned]],
                    click[learned],
                )
            )
            draws = bandit.sample(X[held], names, feature)
            policy = slate_probabilities(draws, size=PLACES, epsilon=EPSILON)
            evaluation = evaluate_policy(
                PolicyLog.from_columns(
                    arm[held],
                    propensity[held],
                    click[held],
                    features=X[held],
                    arms=OPTIONS,
                    position=position[held],
                ),
                policy,
                reward_model="mean",
            )
            weight = policy[np.arange(len(held)), arm[held], position[held]] / propensity[held]
            runs.append(
                {
                    "logging": float(click[held].mean()),
                    "dr": evaluation["dr"].to_dict(),
                    "ips": bootstrap_mean(weight * click[held], seed=shuffle),
                    "effective_rows": float(weight.sum() ** 2 / (weight**2).sum()),
                }
            )
    return {
        "logging": float(click.mean()),
        "ranker_dr": float(np.mean([run["dr"]["value"] for run in runs])),
        "ranker_ips": float(np.mean([run["ips"][0] for run in runs])),
        "below_dr": sum(run["dr"]["high"] < run["logging"] for run in runs),
        "below_ips": sum(run["ips"][2] < run["logging"] for run in runs),
        "effective_rows": float(np.mean([run["effective_rows"] for run in runs])),
        "runs": runs,
    }


def bootstrap_mean(rows: NDArray[np.float64], *, seed: int) -> tuple[float, float, float]:
    """Return a mean with its 95% Poisson bootstrap interval; independent of churnkit's."""
    events = rows[rows > 0]
    counts = np.random.default_rng(seed).poisson(1.0, size=(4_000, len(events)))
    low, high = np.quantile(counts @ events / len(rows), [0.025, 0.975])
    return float(rows.mean()), float(low), float(high)


def rare_clicks(seed: int, rows: int, *, equal: bool) -> dict[str, float]:
    """Learn from uniform decisions with rare clicks, and return the policy's true click rate."""
    rng = np.random.default_rng(seed)
    spread = rng.gamma(2.5, 1 / 2.5, size=OPTIONS)
    rate = CLICK_RATE * (np.ones(OPTIONS) if equal else spread / spread.mean())
    X = (rng.integers(4, size=(rows, 1)) == np.arange(4)).astype(float)
    arm = rng.integers(OPTIONS, size=rows)
    names, none = [str(option) for option in range(OPTIONS)], np.empty((OPTIONS, 0))
    bandit = LinearBandit.new(customer_features=4, seed=seed).update(
        BanditBatch(
            X,
            [names[option] for option in arm],
            none[arm],
            (rng.random(rows) < rate[arm]).astype(float),
        )
    )
    policy = slate_probabilities(bandit.sample(np.eye(4), names, none), epsilon=EPSILON)
    value = float(policy[:, :, 0].mean(axis=0) @ rate)
    return {"value": value, "logging": float(rate.mean()), "best": float(rate.max())}


def rare_worlds() -> dict[str, Any]:
    return {
        f"{'equal' if equal else 'different'} options, {rows:,} decisions": {
            key: float(np.mean([run[key] for run in runs])) for key in ("value", "logging", "best")
        }
        | {"least": min(run["value"] / run["logging"] for run in runs)}
        for equal in (True, False)
        for rows in SIZES
        for runs in [[rare_clicks(100 + run, rows, equal=equal) for run in range(WORLD_RUNS)]]
    }


def regrets() -> dict[str, Any]:
    """Return the regret with and without the adaptive posterior, on the same worlds."""
    table: dict[str, Any] = {}
    for title, make in WORLDS.items():
        worlds = [make(FIRST_SEED + run) for run in range(REGRET_RUNS)]
        half_life = HALF_LIFE if title.startswith("linear, ") else None
        table[title] = {}
        for name, adaptive in (("adaptive", True), ("fixed priors", False)):
            play = partial(by_churnkit, half_life=half_life, adaptive=adaptive)
            started = time.process_time()
            runs = [play(world, seed) for seed, world in enumerate(worlds)]
            table[title][name] = {
                "regret": float(np.mean(runs)),
                "error": float(np.std(runs, ddof=1) / np.sqrt(REGRET_RUNS)),
                "cpu_seconds": (time.process_time() - started) / REGRET_RUNS,
            }
    return table


def main() -> None:
    with threadpool_limits(1):
        results: dict[str, Any] = {
            **machine("numpy"),
            "open_bandit": {name: open_bandit(name) for name in ("random", "bts")},
            "rare_clicks": rare_worlds(),
            "regret": regrets(),
        }
    publish("ranker", results, section(results))


def section(results: dict[str, Any]) -> str:
    titles = {"random": "uniform", "bts": "Thompson sampling"}
    return "\n".join(
        [
            "## Learned ranker and the logging policy",
            "",
            (
                "`python -m benchmarks.ranker`. Open Bandit, campaign men: learned from one half of "
                f"the log (5,000 decisions), evaluated on the other, {SHUFFLES} shuffles, both "
                "halves. Below: intervals (95%) that lie below the logging policy's click rate."
            ),
            "",
            "| log | logging policy | ranker, DR | ranker, IPS | below, DR | below, IPS bootstrap |",
            "|---|---:|---:|---:|---:|---:|",
            *(
                f"| {titles[name]} | {log['logging']:.4f} | {log['ranker_dr']:.4f} | "
                f"{log['ranker_ips']:.4f} | {log['below_dr']} of {len(log['runs'])} | "
                f"{log['below_ips']} of {len(log['runs'])} |"
                for name, log in results["open_bandit"].items()
            ),
            "",
            (
                f"Simulated clicks ({CLICK_RATE:.2%}, {OPTIONS} options, uniform log, "
                f"{WORLD_RUNS} runs): true click rates."
            ),
            "",
            "| | uniform | ranker | least ranker / uniform | best option |",
            "|---|---:|---:|---:|---:|",
            *(
                f"| {name} | {world['logging']:.5f} | {world['value']:.5f} | {world['least']:.2f} | "
                f"{world['best']:.5f} |"
                for name, world in results["rare_clicks"].items()
            ),
            "",
            (
                f"Regret in the worlds of `benchmarks.bandit`, {REGRET_RUNS} runs, with the "
                "adaptive posterior and with fixed priors; with half-life "
                f"{HALF_LIFE} in the changing worlds."
            ),
            "",
            "| | adaptive | CPU s | fixed priors | CPU s |",
            "|---|---:|---:|---:|---:|",
            *(
                f"| {title} | "
                + " | ".join(
                    f"{run['regret']:.0f} ± {run['error']:.0f} | {run['cpu_seconds']:.1f}"
                    for run in runs.values()
                )
                + " |"
                for title, runs in results["regret"].items()
            ),
        ]
    )


if __name__ == "__main__":
    main()
