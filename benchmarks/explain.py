"""Time to explain a million customers: `RetentionModel.explain` and LightGBM's own SHAP values.

Run ``python -m benchmarks.explain``; the customers are simulated. All figures are CPU seconds of
one thread in one process.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Contract
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.models import LightGBMTrees
from churnkit.models.inspection import importance, partial_dependence
from schemas.demo import Demo

if TYPE_CHECKING:
    from collections.abc import Callable

CUSTOMERS, FITTED_ON, PEERS_ROWS = 100_000, 10_000, 1_000
MILLION = 1_000_000
KINDS = {"300 trees of 31 leaves": (300, 31), "200 trees of 4 leaves": (200, 4)}


def timed(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def measure(table: Any, contract: Contract, trees: int, leaves: int) -> dict[str, float]:
    """Return CPU seconds per million customers, and the largest difference from LightGBM."""
    encoder = TableEncoder(contract)
    training = table.slice(0, FITTED_ON)
    churned = np.asarray(training["churned"].to_pylist()).astype(int)
    fitted = LightGBMTrees(
        rounds=trees, num_leaves=leaves, categorical_features=contract.categorical_features
    ).fit(encoder.encode(training).features, churned)
    model = RetentionModel(ModelContents(contract, fitted.scorer_, fitted.calibration_))
    model.warm_up()
    X = np.ascontiguousarray(encoder.encode(table).features)
    fitted.scorer_.contributions(X[:PEERS_ROWS])
    exact = fitted.booster_.predict(X[:PEERS_ROWS], pred_contrib=True, num_threads=1)
    own = fitted.scorer_.contributions(X[:PEERS_ROWS])
    calibration = fitted.calibration_
    values = np.quantile(X[:, 6], np.linspace(0.05, 0.95, 10)).tolist()
    sample = X[: len(X) // 10]
    scale = MILLION / len(X)
    return {
        "explain": scale * timed(lambda: model.explain(table, top=3)),
        "contributions": scale * timed(lambda: fitted.scorer_.contributions(X)),
        "lightgbm": MILLION
        / PEERS_ROWS
        * timed(lambda: fitted.booster_.predict(X[:PEERS_ROWS], pred_contrib=True, num_threads=1)),
        "importance": 10
        * scale
        * timed(lambda: importance(fitted.scorer_, sample, calibration=calibration)),
        "dependence": 10
        * scale
        * timed(
            lambda: partial_dependence(fitted.scorer_, sample, 6, values, calibration=calibration)
        ),
        "difference": float(np.abs(own - exact).max()),
    }


def main() -> None:
    table = simulate(customers=2 * CUSTOMERS, months=18, seed=0).snapshot()
    table = table.slice(0, CUSTOMERS)
    contract = learn_levels(Contract.from_schema(Demo), table)
    with threadpool_limits(1):
        figures = {name: measure(table, contract, *kind) for name, kind in KINDS.items()}
    results = {
        **machine("lightgbm", "numpy", "numba"),
        "customers": table.num_rows,
        "kinds": figures,
    }
    publish("explain", results, section(results))


def section(results: dict[str, Any]) -> str:
    names = {
        "explain": "`model.explain(table, top=3)`: validated, encoded, scored, with reasons in words",
        "contributions": "exact Shapley values alone",
        "importance": "`importance`: mean absolute Shapley values and points",
        "dependence": "`partial_dependence` at 10 values",
        "lightgbm": "LightGBM, `predict(pred_contrib=True)` alone",
    }
    kinds = results["kinds"]
    lines = [
        "## Explanations",
        "",
        (
            f"`python -m benchmarks.explain`: CPU seconds per million customers, one thread, measured "
            f"on {results['customers']:,} (importance and dependence on a tenth of them, LightGBM "
            f"on {PEERS_ROWS:,}), on {results['processor']}."
        ),
        "",
        f"| step | {' | '.join(kinds)} |",
        "|---|" + "---:|" * len(kinds),
    ]
    for name, title in names.items():
        cells = " | ".join(f"{figures[name]:,.0f}" for figures in kinds.values())
        lines.append(f"| {title} | {cells} |")
    worst = max(figures["difference"] for figures in kinds.values())
    return "\n".join(
        [*lines, "", f"Largest difference of a Shapley value from LightGBM's: {worst:.1e}."]
    )


if __name__ == "__main__":
    main()
