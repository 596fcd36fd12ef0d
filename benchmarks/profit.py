"""Savings of decision rules on a TV provider's customers, with costs per customer.

Run ``python -m benchmarks.profit`` with the public data sets under ``CHURNKIT_DATA_DIR``: five
times two stratified halves, each tested with models fitted on the other; and five folds, each
tested with models fitted on four times as many customers.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.model_selection import RepeatedStratifiedKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from churnkit.datasets import load
from churnkit.evaluation import (
    CustomerCosts,
    EvaluationError,
    ThresholdRule,
    auc,
    expected_savings,
    profit_curve,
    savings,
)
from churnkit.models import ChurnClassifier

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLAIN = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 8,
    "lambda_l2": 10.0,
    "feature_fraction": 0.5,
    "num_threads": 1,
    "verbosity": -1,
    "seed": 0,
}
PLAIN_ROUNDS = 150


class Customers(NamedTuple):
    """Encoded customers, their outcomes, and the costs of decisions."""

    X: NDArray[np.float64]
    y: NDArray[np.int_]
    costs: CustomerCosts

    def take(self, rows: NDArray[np.intp]) -> Customers:
        """Return some of the customers."""
        return Customers(self.X[rows], self.y[rows], self.costs.take(rows))


def customers() -> Customers:
    table = load("tv_subscription").to_pandas()
    features = [name for name in table.columns if name.startswith("x")]
    costs = CustomerCosts(
        false_positive=table["C_FP"].to_numpy(),
        false_negative=table["C_FN"].to_numpy(),
        true_positive=table["C_TP"].to_numpy(),
        true_negative=table["C_TN"].to_numpy(),
    )
    return Customers(table[features].to_numpy(float), table["target"].to_numpy().astype(int), costs)


def by_churnkit(train: Customers, test: Customers, seed: int) -> dict[str, float]:
    """Measure the savings of several rules on the classifier's probabilities."""
    started = time.process_time()
    model = ChurnClassifier("balanced", seed=seed).fit(train.X, train.y)
    probability = model.predict_proba(test.X)[:, 1]
    seconds = time.process_time() - started
    held_out = model.held_out_probability_
    rule = ThresholdRule.checked(train.y, held_out, train.costs)
    one_for_all = profit_curve(train.y, held_out, train.costs).best.fraction
    cut = np.quantile(held_out, 1 - one_for_all)
    return {
        "churnkit, a threshold for each customer": savings(
            test.y, rule.decide(probability, test.costs), test.costs
        ),
        "churnkit, one threshold for all, the best on the training half": savings(
            test.y, probability >= cut, test.costs
        ),
        "churnkit, one half for all": savings(test.y, probability > 0.5, test.costs),
        "auc": auc(test.y, probability),
        "expected_savings": expected_savings(test.y, probability, test.costs),
        "cpu_seconds": seconds,
    }


def with_costs(train: Customers, test: Customers, seed: int) -> dict[str, float]:
    """Measure a classifier that reads the costs, known at decision time, as columns."""
    X, X_test = (
        np.column_stack([part.X, part.costs.benefit, part.costs.waste]) for part in (train, test)
    )
    model = ChurnClassifier("balanced", seed=seed).fit(X, train.y)
    probability = model.predict_proba(X_test)[:, 1]
    rule = ThresholdRule.checked(train.y, model.held_out_probability_, train.costs)
    return {
        "churnkit with costs as columns, a threshold for each customer": savings(
            test.y, rule.decide(probability, test.costs), test.costs
        ),
        "auc_with_costs": auc(test.y, probability),
    }


def by_lightgbm(train: Customers, test: Customers) -> dict[str, float]:
    """Measure a plain booster, and one trained with the costs as weights."""
    import lightgbm

    weight = np.where(train.y == 1, train.costs.benefit, train.costs.waste)
    plain, weighted = (
        lightgbm.train(PLAIN, lightgbm.Dataset(train.X, train.y, weight=each), PLAIN_ROUNDS)
        for each in (None, weight / weight.mean())
    )
    chance, score = plain.predict(test.X), weighted.predict(test.X)
    benefit, waste = test.costs.benefit, test.costs.waste
    return {
        "LightGBM, regularized, a threshold for each customer": savings(
            test.y, chance * benefit > (1 - chance) * waste, test.costs
        ),
        "LightGBM, costs as weights, one half for all": savings(test.y, score > 0.5, test.costs),
        "LightGBM, costs as weights and a threshold for each: twice": savings(
            test.y, score * benefit > (1 - score) * waste, test.costs
        ),
        "refused": float(refused(test, score)),
    }


def refused(test: Customers, score: NDArray[np.float64]) -> bool:
    """Return True if a rule refuses the scores."""
    try:
        ThresholdRule.checked(test.y, score, test.costs)
    except EvaluationError:
        return True
    return False


PROTOCOLS = {
    "5 x 2 halves": RepeatedStratifiedKFold(n_splits=2, n_repeats=5, random_state=0),
    "5 folds": RepeatedStratifiedKFold(n_splits=5, n_repeats=1, random_state=0),
}


def measure(table: Customers, splits: RepeatedStratifiedKFold) -> dict[str, dict[str, float]]:
    """Return mean and standard deviation of each measure over the splits."""
    runs: list[dict[str, float]] = []
    for seed, (train, test) in enumerate(splits.split(table.X, table.y)):
        parts = table.take(train), table.take(test)
        runs.append(
            {**by_churnkit(*parts, seed), **with_costs(*parts, seed), **by_lightgbm(*parts)}
        )
    return {
        name: {
            "mean": float(np.mean([run[name] for run in runs])),
            "spread": float(np.std([run[name] for run in runs], ddof=1)),
        }
        for name in runs[0]
    }


def main() -> None:
    table = customers()
    with threadpool_limits(1):
        protocols = {title: measure(table, splits) for title, splits in PROTOCOLS.items()}
    results: dict[str, Any] = {
        **machine("lightgbm", "numpy", "scikit-learn"),
        "customers": len(table.y),
        "churners": int(table.y.sum()),
        "protocols": protocols,
    }
    publish("profit", results, section(results))


def section(results: dict[str, Any]) -> str:
    protocols = results["protocols"]
    halves, folds = protocols.values()
    ways = sorted((name for name in halves if "," in name), key=lambda name: -halves[name]["mean"])
    rows = [
        f"| {name} | "
        + " | ".join(
            f"{each[name]['mean']:.1%} ± {each[name]['spread']:.1%}" for each in (halves, folds)
        )
        + " |"
        for name in ways
    ]
    return "\n".join(
        [
            "## Savings with costs per customer",
            "",
            (
                f"`python -m benchmarks.profit`: TV subscription, {results['customers']:,} "
                f"customers, {results['churners']} churned; share of cost saved against the "
                "better of treating all and treating none, mean and standard deviation over the "
                "splits."
            ),
            "",
            "| decision rule | " + " | ".join(protocols) + " |",
            "|---|---:|---:|",
            *rows,
            "",
            (
                f"The classifier (balanced) has an AUC of {halves['auc']['mean']:.4f} ± "
                f"{halves['auc']['spread']:.4f} on the halves, "
                f"{folds['auc']['mean']:.4f} ± {folds['auc']['spread']:.4f} on the folds (with "
                f"costs as columns {halves['auc_with_costs']['mean']:.4f} and "
                f"{folds['auc_with_costs']['mean']:.4f}), and "
                f"takes {halves['cpu_seconds']['mean']:.1f} CPU s for a half, on "
                f"{results['processor']}. The scores trained with costs are refused by "
                f"`ThresholdRule.checked` on {halves['refused']['mean']:.0%} of the halves."
            ),
        ]
    )


if __name__ == "__main__":
    main()
