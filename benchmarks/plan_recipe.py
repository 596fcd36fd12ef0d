"""Plans of the recipe `training/subscriptions.py` against a two-line rule, with the known truth.

The simulated business gave past calls and trainings by propensities that depend on use, tickets and
revenue. The recipe's model and effects are fitted as by ``churnkit train``, and a plan for all
customers at the end is compared with the rule: relative effect x risk x value - cost, with the best
single action. The rule takes its relative effect from churn rates weighted by the recorded
propensities, or from rates as they are.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.decisions import Catalogue, decide
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.pipeline.recipe import load_recipe
from churnkit.pipeline.training.data.dataset import prepare, read_training_table
from churnkit.pipeline.training.fit import fit
from churnkit.pipeline.training.uplift import fit_experiment
from churnkit.timeline import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.pipeline.recipe import Recipe

    Floats = NDArray[np.float64]

ROOT = Path(__file__).parents[1]
SEEDS, CUSTOMERS, AS_OF = 10, 10_000, "2026-01-01"
ACTIONS = ("call", "training")


def relative_effects(treatments: pa.Table, *, weighted: bool) -> Floats:
    """Estimate 1 - churn treated / churn untreated of `ACTIONS`, (2,)."""
    treatments = treatments.filter(treatments["churned"].is_valid())
    arm = treatments["action"].to_numpy()
    left = treatments["churned"].to_numpy().astype(np.float64)
    weight = 1.0 / treatments["propensity"].to_numpy() if weighted else np.ones(len(arm))
    rate = {
        name: np.average(left[arm == name], weights=weight[arm == name])
        for name in ("none", *ACTIONS)
    }
    return np.array([1.0 - rate[name] / rate["none"] for name in ACTIONS])


def true_gain(gain: Floats, action: NDArray[np.int64]) -> float:
    """Give what actions (n,), -1 for none, bring by the true gain (n, 2)."""
    rows = np.flatnonzero(action >= 0)
    return float(gain[rows, action[rows]].sum())


def best_actions(gain: Floats, most: int | None = None) -> NDArray[np.int64]:
    """Give the customers of the highest gains their best action: `most`, or all above zero."""
    action = np.full(len(gain), -1)
    best = gain.max(axis=1)
    count = int((best > 0.0).sum()) if most is None else most
    rows = np.argsort(-best, kind="stable")[:count]
    action[rows] = gain[rows].argmax(axis=1)
    return action


def single_action(gain: Floats) -> Floats:
    """Leave the action of the highest total gain, ``-inf`` for the other."""
    single = int(np.argmax(np.maximum(gain, 0.0).sum(axis=0)))
    return np.where(np.arange(gain.shape[1]) == single, gain, -np.inf)


def two_actions(recipe: Recipe) -> Recipe:
    """Leave the actions that the past measured; of the third the truth is not known."""
    assert isinstance(recipe.actions, Catalogue)
    kept = tuple(action for action in recipe.actions.actions if action.name in ACTIONS)
    return replace(recipe, actions=replace(recipe.actions, actions=kept))


def measure(seed: int) -> dict[str, Any]:
    """Train, plan, and compare with the truth."""
    started = time.process_time()
    business = simulate(customers=CUSTOMERS, seed=seed)
    recipe = two_actions(load_recipe(ROOT / "training" / "subscriptions.py"))
    recipe = replace(recipe, data=lambda: business.tables)
    data = prepare(recipe, read_training_table(recipe, ROOT))
    fitted = fit(recipe, data)
    artifact, catalogue = fit_experiment(recipe, data, ROOT, fitted), recipe.catalogue
    assert artifact is not None
    assert catalogue is not None
    assert recipe.timeline is not None
    today = build(recipe.timeline.at(AS_OF), business.tables)
    encoded = TableEncoder(data.contract, "recommend").encode(today)
    features = np.ascontiguousarray(encoded.features)
    risk = np.asarray(fitted.model.predict_proba(features)[:, 1], dtype=np.float64)
    decisions = decide(
        risk,
        encoded.matrix,
        compile_catalogue(catalogue, data.contract.encoded("recommend")),
        treatment_effects=artifact.actions.treatment_effects(catalogue, features, risk),
    )
    at = np.searchsorted(business.truth.customer_id, today["customer_id"].to_numpy())
    places = [business.truth.actions.index(name) - 1 for name in ACTIONS]
    effect = -business.truth.effect(AS_OF)[np.ix_(at, places)]
    true_risk = business.truth.churn_probability(AS_OF, action="none")[at]
    worth = today["mrr"].to_numpy() * catalogue.periods * catalogue.margin
    cost = np.array([action.cost for action in catalogue.actions], dtype=np.float64)
    true, stake = effect * worth[:, None] - cost, (risk * worth)[:, None]
    total, acted = decisions.total_gain, int((decisions.action >= 0).sum())
    treatments = business.tables["treatments"]
    shares = {
        "rates weighted by propensity": relative_effects(treatments, weighted=True),
        "rates as they are": relative_effects(treatments, weighted=False),
        "true mean over customers": effect.sum(axis=0) / true_risk.sum(),
        "true mean over money": worth @ effect / (worth @ true_risk),
    }
    return {
        "true": true_gain(true, decisions.action),
        "claimed": total.value,
        "inside": bool(total.low <= true_gain(true, decisions.action) <= total.high),
        "acted": acted,
        "oracle": true_gain(true, best_actions(true)),
        "shares": {name: share.tolist() for name, share in shares.items()},
        "rules": {
            name: {
                "as many": true_gain(
                    true, best_actions(single_action(stake * share - cost), acted)
                ),
                "above zero": true_gain(true, best_actions(single_action(stake * share - cost))),
                "each customer's best": true_gain(true, best_actions(stake * share - cost)),
            }
            for name, share in shares.items()
        },
        "cpu_seconds": time.process_time() - started,
    }


def section(results: Mapping[str, Any]) -> str:
    """Write the figures as Markdown."""
    runs = list(results["runs"].values())
    true = sum(run["true"] for run in runs)
    lines = [
        "## Plan of a recipe",
        "",
        (
            f"`python -m benchmarks.plan_recipe`: `training/subscriptions.py` with {len(runs)} seeds, "
            f"{CUSTOMERS:,} customers each, past calls and trainings by recorded propensities. "
            f"True gain {true / 1000:,.0f}k in all; claimed / true "
            f"{sum(run['claimed'] for run in runs) / true:.3f}; the 90% interval holds in "
            f"{sum(run['inside'] for run in runs)} of {len(runs)}. The rule acts on mean relative "
            "effect x risk x value - cost; cells are the plan's true gain over the rule's."
        ),
        "",
        (
            "| relative effect of the rule by | mean for call, training | best action, as many | "
            "best action, above zero | each customer's best, above zero |"
        ),
        "|---|---:|---:|---:|---:|",
    ]
    for name in runs[0]["rules"]:
        mean = np.mean([run["shares"][name] for run in runs], axis=0)
        cells = [
            f"{true / sum(run['rules'][name][way] for run in runs):.2f}"
            for way in runs[0]["rules"][name]
        ]
        lines.append(f"| {name} | {mean[0]:.2f}, {mean[1]:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the seeds, or those from a first to before a last, and publish after each."""
    numbers = [int(name) for name in sys.argv[1:]]
    first, last = numbers if len(numbers) == 2 else (0, SEEDS)
    runs: dict[str, Any] = {}
    with threadpool_limits(1):
        for seed in range(first, last):
            runs[str(seed)] = measure(seed)
            results = {**machine("lightgbm", "numpy", "scikit-learn"), "runs": runs}
            publish("plan_recipe", results, section(results))


if __name__ == "__main__":
    main()
