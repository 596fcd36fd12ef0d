"""Off-policy estimates compared with the truth, by the protocols of the Open Bandit Pipeline.

Run ``python -m benchmarks.policy``; the Open Bandit logs are read from ``CHURNKIT_DATA_DIR``.
The protocols are those of zr-obp's ``examples/multiclass`` (digits), ``examples/synthetic`` and
``examples/obd``, and the published values come from its pages.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from churnkit.datasets import load
from churnkit.evaluation import (
    PolicyLog,
    Replacement,
    cross_fitted_rewards,
    evaluate_policy,
    may_replace,
)
from churnkit.evaluation.off_policy.estimators import estimator_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

PUBLISHED = {
    "digits": {
        "dm": 0.436541,
        "ips": 0.030288,
        "snips": 0.022764,
        "dr": 0.016156,
        "sndr": 0.022082,
        "switch_dr": 0.034657,
        "dr_shrinkage": 0.015868,
    },
    "synthetic": {
        "dm": 0.074390,
        "ips": 0.009481,
        "snips": 0.006665,
        "dr": 0.006175,
        "sndr": 0.006118,
        "switch_dr": 0.006175,
        "dr_shrinkage": 0.021951,
    },
}
GATES = {
    "digits": {"ips": 0.03, "dr": 0.016, "dr_shrinkage": 0.016},
    "synthetic": {"dr": 0.0062},
}
RUNS = {"digits": 30, "synthetic": 20}


def drawn(chance: NDArray[np.float64], rng: np.random.RandomState) -> NDArray[np.intp]:
    """Draw an arm per row, by inversion."""
    return np.asarray((chance.cumsum(axis=1) > rng.uniform(size=(len(chance), 1))).argmax(axis=1))


def errors(log: PolicyLog, policy: NDArray[np.float64], truth: float) -> dict[str, float]:
    """Return each estimator's relative error."""
    rewards = cross_fitted_rewards(log, policy=policy, seed=0)
    estimators = estimator_rows(log, policy, rewards.expected)
    return {
        **{name: abs(terms.value - truth) / truth for name, terms in estimators.items()},
        f"model: {rewards.model}": 1.0,
    }


def mixed(choice: NDArray[np.intp], share: float, arms: int) -> NDArray[np.float64]:
    """Return a policy that takes `choice` with probability `share`, else a uniform arm."""
    chance = np.full((len(choice), arms), (1 - share) / arms)
    chance[np.arange(len(choice)), choice] += share
    return chance


def digits(run: int) -> dict[str, float]:
    """Run the digits protocol: the arm is a guessed digit, the reward 1 if it is right."""
    X, y = load_digits(return_X_y=True)
    train_X, test_X, train_y, test_y = train_test_split(X, y, test_size=0.7, random_state=run)
    logging = LogisticRegression(C=100, max_iter=10_000, random_state=12345)
    candidate = RandomForestClassifier(
        n_estimators=30, max_depth=5, min_samples_leaf=10, random_state=12345
    )
    behavior, policy = (
        mixed(model.fit(train_X, train_y).predict(test_X), share, 10)
        for model, share in ((logging, 0.4), (candidate, 0.9))
    )
    action = drawn(behavior, np.random.RandomState(run))
    rows = np.arange(len(test_y))
    log = PolicyLog.from_columns(
        action, behavior[rows, action], action == test_y, features=test_X, arms=10
    )
    return errors(log, policy, float(policy[rows, test_y].mean()))


def synthetic(run: int) -> dict[str, float]:
    """Run the synthetic protocol: 10,000 rows of 30 arms, logged by a policy that prefers bad ones."""
    arms, features, rows, beta = 30, 5, 10_000, -3.0
    rng = np.random.RandomState(run)
    weights = np.random.RandomState(run)
    of_customer = weights.uniform(-1, 1, size=features + 1)
    of_arm = weights.uniform(-1, 1, size=arms + 1)
    of_both = weights.uniform(-1, 1, size=(features + 1, arms + 1))

    def batch() -> tuple[NDArray[np.float64], NDArray[np.float64], PolicyLog]:
        X = rng.normal(size=(rows, features))
        context = np.column_stack([np.ones(rows), X])
        arm = np.column_stack([np.ones(arms), np.eye(arms)])
        raw = (context @ of_customer)[:, None] + arm @ of_arm + context @ of_both @ arm.T
        chance = 1 / (1 + np.exp(-(raw - raw.mean()) / raw.std()))
        tilted = np.exp(beta * chance)
        behavior = tilted / tilted.sum(axis=1, keepdims=True)
        # The protocol draws the arms of both batches from the same uniform numbers.
        action = drawn(behavior, np.random.RandomState(run))
        at = np.arange(rows)
        reward = rng.binomial(1, chance[at, action])
        return (
            X,
            chance,
            PolicyLog.from_columns(action, behavior[at, action], reward, features=X, arms=arms),
        )

    train_X, _, train = batch()
    test_X, chance, test = batch()
    learned = LogisticRegression(C=100, max_iter=10_000, random_state=12345).fit(
        train_X, train.action, sample_weight=train.reward / train.propensity
    )
    tilted = np.exp(learned.predict_proba(test_X))
    policy = tilted / tilted.sum(axis=1, keepdims=True)
    return errors(test, policy, float((policy * chance).sum(axis=1).mean()))


def repeated(name: str) -> dict[str, Any]:
    """Return mean and standard deviation of each estimator's error over the runs."""
    started = time.process_time()
    protocol = {"digits": digits, "synthetic": synthetic}[name]
    runs = [protocol(run) for run in range(RUNS[name])]
    spent = time.process_time() - started
    estimators = PUBLISHED[name]
    models = sorted({key for run in runs for key in run if key.startswith("model")})
    return {
        "runs": len(runs),
        "cpu_seconds": spent,
        "relative_error": {
            key: {
                "mean": float(np.mean([run[key] for run in runs])),
                "spread": float(np.std([run[key] for run in runs], ddof=1)),
                "published": estimators[key],
                "gate": GATES[name].get(key),
            }
            for key in estimators
        },
        "reward_models": {key: sum(key in run for run in runs) for key in models},
    }


def encoded(table: Any) -> NDArray[np.float64]:
    """Return the customers' four features one-hot encoded."""
    parts = []
    for number in range(4):
        values = np.asarray(table[f"user_feature_{number}"].to_pylist())
        kinds = np.unique(values)
        parts.append((values[:, None] == kinds).astype(float))
    return np.concatenate(parts, axis=1)


def open_bandit() -> dict[str, Any]:
    """Estimate the Thompson policy's click rate from uniform logs; its own log has the truth."""
    tables = load("open_bandit")
    uniform, thompson = tables["random"], tables["bts"]
    arms = 34

    def column(table: Any, name: str) -> NDArray[Any]:
        return np.asarray(table[name].to_numpy())

    # The Thompson policy ignores the customer, so its arms' shares by position are its distribution.
    policy = np.zeros((1, arms, 3))
    position, item = column(thompson, "position") - 1, column(thompson, "item_id")
    np.add.at(policy[0], (item, position), 1.0)
    policy /= policy.sum(axis=1, keepdims=True)
    started = time.process_time()
    log = PolicyLog.from_columns(
        column(uniform, "item_id"),
        column(uniform, "propensity_score"),
        column(uniform, "click"),
        features=encoded(uniform),
        arms=arms,
        position=column(uniform, "position") - 1,
    )
    evaluation = evaluate_policy(log, policy, seed=0)
    clicks = column(thompson, "click")
    truth = float(clicks.mean())
    by_position = [float(clicks[position == at].mean()) for at in range(3)]
    verdict: Replacement = may_replace(log, policy, seed=0)
    return {
        "truth": truth,
        "truth_by_position": by_position,
        "uniform": evaluation.on_policy.value,
        "reward_model": evaluation.reward_model,
        "effective_rows": evaluation.overlap.effective_rows,
        "max_weight": evaluation.overlap.max_weight,
        "warnings": list(evaluation.overlap.warnings),
        "estimates": {
            name: {**value.to_dict(), "inside": value.low <= truth <= value.high}
            for name, value in evaluation.estimates.items()
        },
        "dr_by_position": [
            {**part["dr"].to_dict(), "truth": by_position[at]}
            for at, part in enumerate(evaluation.positions)
        ],
        "verdict": str(verdict),
        "cpu_seconds": time.process_time() - started,
    }


def main() -> None:
    with threadpool_limits(1):
        results: dict[str, Any] = {
            **machine("lightgbm", "numpy", "scikit-learn"),
            "digits": repeated("digits"),
            "synthetic": repeated("synthetic"),
            "open_bandit": open_bandit(),
        }
    publish("policy", results, section(results))


def section(results: dict[str, Any]) -> str:
    bandit = results["open_bandit"]
    lines = [
        "## Off-policy evaluation",
        "",
        (
            "`python -m benchmarks.policy`: relative error of the estimated value, mean ± standard "
            f"deviation; digits as a bandit ({results['digits']['runs']} runs, "
            f"{results['digits']['cpu_seconds']:.0f} CPU s) and a synthetic bandit of 30 arms "
            f"({results['synthetic']['runs']} runs, {results['synthetic']['cpu_seconds']:.0f} CPU "
            "s), compared with the values that zr-obp publishes for the same protocols with its own "
            "reward models."
        ),
        "",
        "| estimator | digits | zr-obp | 30 arms | zr-obp |",
        "|---|---:|---:|---:|---:|",
    ]
    for name in PUBLISHED["digits"]:
        cells = [
            f"{error['mean']:.4f} ± {error['spread']:.4f} | {error['published']:.4f}"
            for error in (results[key]["relative_error"][name] for key in PUBLISHED)
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        (
            "Open Bandit, campaign men: click rate of the Thompson policy, estimated from 10,000 "
            f"uniform decisions (equivalent to {bandit['effective_rows']:,.0f} of its own). The rate "
            f"in its own log is {bandit['truth']:.4f}, that of the uniform policy "
            f"{bandit['uniform']:.4f}."
        ),
        "",
        "| estimator | estimate | 95% interval | truth inside |",
        "|---|---:|---:|---|",
        *(
            f"| {name} | {value['value']:.4f} | {value['low']:.4f} to {value['high']:.4f} | "
            f"{'yes' if value['inside'] else 'no'} |"
            for name, value in bandit["estimates"].items()
        ),
        "",
        f"Verdict on replacing the uniform policy by Thompson sampling: {bandit['verdict']}.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
