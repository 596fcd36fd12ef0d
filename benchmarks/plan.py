"""End-to-end plans on simulated businesses whose true effects are known.

Each business draws customers, an experiment and customers to decide on from generators of this
file, which share nothing with `churnkit.datasets.simulate`. A risk model is learned from customers
outside the experiment, effects from the experiment, and the plan for others is compared with a
two-line rule and with the oracle that knows the effects given the columns.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import HERE, machine, publish
from churnkit.bundle.parts.uplift import ActionEffects
from churnkit.contracts import Column
from churnkit.decisions import Action, Catalogue, Effect, allocate, decide
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.models import UpliftModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PERIODS, MARGIN = 12, 0.7
COSTS = (12.0, 25.0)
RISK_ROWS, DECIDED_ROWS = 12_000, 20_000
SEEDS = 10
CATALOGUE = Catalogue(
    tuple(
        Action(name, name, cost=cost, effect=Effect(-0.2, 0.1, 0.4))
        for name, cost in zip(("call", "training"), COSTS, strict=True)
    ),
    periods=PERIODS,
    margin=MARGIN,
)
COLUMNS = [Column("fee", "number", ("value",))]


@dataclass(frozen=True)
class Kind:
    """A kind of business.

    Parameters
    ----------
    effects
        Name of the effect functions, one for each functional form.
    experiment_rows
        Customers in the experiment.
    churn
        Share who leave untreated.
    log_value_sd
        Of the logarithm of revenue.
    targeted
        Whether past actions were chosen by risk, with propensities unknown.
    budget_share
        Share of the customers for whom the budget pays the dearer action; None for no budget.
    seeds
        Businesses that are drawn: more where their gains vary more.
    """

    effects: str
    experiment_rows: int = 6_000
    churn: float = 0.22
    log_value_sd: float = 0.7
    targeted: bool = False
    budget_share: float | None = None
    seeds: int = SEEDS


KINDS: dict[str, Kind] = {
    "proportional to risk": Kind("proportional"),
    "apart from risk": Kind("apart"),
    "apart from risk, 60,000": Kind("apart", experiment_rows=60_000),
    "nothing works": Kind("none"),
    "rare": Kind("proportional", churn=0.04, log_value_sd=1.0, seeds=40),
    "opposed actions": Kind("opposed"),
    "targeted by risk": Kind("proportional", targeted=True),
    "heavy tails, budget": Kind("proportional", log_value_sd=2.0, budget_share=0.04),
    "small experiment": Kind("proportional", experiment_rows=1_500),
}


@dataclass(frozen=True)
class Customers:
    """Columns and the truth: risk untreated (n,), effects on staying (n, 2), fee (n,)."""

    X: Floats
    risk: Floats
    effect: Floats
    fee: Floats

    @property
    def worth(self) -> Floats:
        """Money that keeping each customer is worth."""
        return self.fee * PERIODS * MARGIN


def _columns(form: int, n: int, rng: np.random.Generator) -> Floats:
    """Draw twelve columns; the last two hold category codes."""
    if form == 0:
        z = rng.normal(size=(n, 10))
        z[:, 1] = 0.5 * z[:, 0] + 0.87 * z[:, 1]
        z[:, 7] = 0.6 * z[:, 5] + 0.8 * z[:, 7]
        codes = [rng.choice(3, n, p=[0.5, 0.3, 0.2]), rng.choice(4, n)]
    else:
        tenure = rng.gamma(1.5, 14.0, n)
        use = rng.gamma(2.0, 5.0, n) * np.exp(-tenure / 120.0)
        z = np.column_stack(
            [
                tenure,
                use,
                rng.poisson(1.2, n),
                rng.beta(2.0, 3.0, n),
                rng.exponential(20.0, n),
                rng.uniform(18.0, 80.0, n),
                rng.poisson(2.5, n),
                rng.normal(0.0, 3.0, n) + use / 5.0,
                rng.uniform(0.0, 1.0, n),
                rng.integers(0, 24, n),
            ]
        )
        codes = [rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1]), rng.choice(2, n)]
    return np.column_stack([z, *codes]).astype(float)


def _risk_score(form: int, X: Floats) -> Floats:
    score: Floats
    if form == 0:
        score = (
            0.9 * X[:, 0]
            - 0.6 * X[:, 2]
            + 0.4 * X[:, 3] * X[:, 0]
            + 0.5 * (X[:, 10] == 1)
            - 0.4 * (X[:, 10] == 2)
        )
    else:
        score = (
            -0.9 * (X[:, 0] > 18)
            - 0.5 * (X[:, 0] > 48)
            + 1.1 * (X[:, 1] < 5)
            + 0.35 * np.minimum(X[:, 2], 4)
            + 0.8 * (np.abs(X[:, 3] - 0.4) > 0.25)
            + 0.6 * (X[:, 10] == 0)
        )
    return score


def _level(form: int, churn: float) -> float:
    """Find the intercept at which a share `churn` leaves."""
    score = _risk_score(form, _columns(form, 40_000, np.random.default_rng(99)))
    low, high = -12.0, 6.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _link(form, score + middle).mean() < churn else (low, middle)
    return low


def _link(form: int, score: Floats) -> Floats:
    risk: Floats = (
        1.0 / (1.0 + np.exp(-score)) if form == 0 else 0.98 * (1.0 - np.exp(-np.exp(score)))
    )
    return risk


def _proportional(form: int, X: Floats, risk: Floats) -> Floats:
    del X
    shares: Floats = np.array([[0.22, 0.38], [0.30, 0.24]][form])
    return risk[:, None] * shares


def _none(form: int, X: Floats, risk: Floats) -> Floats:
    del form, X
    return np.zeros((len(risk), 2))


def _apart(form: int, X: Floats, risk: Floats) -> Floats:
    """Let columns that the risk does not depend on decide who reacts; some are driven away."""
    del risk
    if form == 0:
        reacts = 1.0 / (1.0 + np.exp(-3.0 * (X[:, 5] + 0.5 * X[:, 8])))
        likes = 1.0 / (1.0 + np.exp(-3.0 * (X[:, 6] - 0.3)))
        return np.column_stack([0.28 * reacts - 0.06, 0.40 * likes - 0.07])
    young, idle, other = X[:, 5] < 45, X[:, 6] <= 2, X[:, 11] == 1
    first = np.where(young & other, 0.22, -0.03)
    second = np.where(idle, 0.22, -0.04) + 0.05 * (X[:, 8] > 0.6)
    return np.column_stack([first, second])


def _opposed(form: int, X: Floats, risk: Floats) -> Floats:
    """Let each action harm those whom the other helps."""
    del risk
    if form == 0:
        side = np.tanh(2.0 * X[:, 5])
        return np.column_stack([0.25 * side, -0.28 * side])
    side = np.where(X[:, 5] < np.where(X[:, 11] == 1, 55, 40), 1.0, -1.0)
    return np.column_stack([0.20 * side, -0.25 * side])


EFFECTS: dict[str, Callable[[int, Floats, Floats], Floats]] = {
    "proportional": _proportional,
    "none": _none,
    "apart": _apart,
    "opposed": _opposed,
}


def draw_customers(kind: Kind, form: int, n: int, rng: np.random.Generator) -> Customers:
    """Draw customers of a kind of business with the truth about them."""
    X = _columns(form, n, rng)
    risk = _link(form, _risk_score(form, X) + _level(form, kind.churn))
    effect = np.clip(EFFECTS[kind.effects](form, X, risk), -(1.0 - risk)[:, None], risk[:, None])
    sd = kind.log_value_sd
    # The mean is kept as the tail grows.
    fee = np.exp(np.log(28.0) - sd**2 / 2 + sd * rng.normal(size=n))
    return Customers(np.column_stack([X, np.log(fee)]), risk, effect, fee)


@dataclass(frozen=True)
class Business:
    """What a company has: a risk model's output, an experiment, and customers to decide on."""

    kind: Kind
    experiment: Customers
    risk: Floats
    arm: NDArray[np.int64]
    propensity: Floats | None
    stayed: Floats
    decided: Customers
    decided_risk: Floats


def draw_business(kind: Kind, seed: int) -> Business:
    """Draw a business; even seeds have the first functional form, odd seeds the second."""
    # A stream for each kind, so that one unlucky draw is not found in all kinds.
    form, rng = seed % 2, np.random.default_rng([seed, list(KINDS.values()).index(kind)])
    earlier = draw_customers(kind, form, RISK_ROWS, rng)
    left = (rng.random(RISK_ROWS) < earlier.risk).astype(float)
    trees = _risk_model(earlier.X, left)
    tested = draw_customers(kind, form, kind.experiment_rows, rng)
    n = len(tested.fee)
    chance = np.full((n, 3), 1 / 3)
    if kind.targeted:
        noisy = tested.risk * np.exp(0.5 * rng.normal(size=n))
        logits = np.column_stack([np.zeros(n), 4.0 * noisy - 1.2, 3.0 * noisy - 1.2])
        chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    arm = (rng.random(n)[:, None] > np.cumsum(chance, axis=1)[:, :2]).sum(axis=1)
    effect = np.column_stack([np.zeros(n), tested.effect])[np.arange(n), arm]
    stayed = (rng.random(n) < 1.0 - tested.risk + effect).astype(float)
    decided = draw_customers(kind, form, DECIDED_ROWS, rng)
    return Business(
        kind,
        tested,
        np.asarray(trees.predict(tested.X)),
        arm,
        None if kind.targeted else np.full(n, 1 / 3),
        stayed,
        decided,
        np.asarray(trees.predict(decided.X)),
    )


def _risk_model(X: Floats, left: Floats) -> lightgbm.Booster:
    settings = {
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": 8,
        "min_data_in_leaf": 60,
        "lambda_l2": 5.0,
        "feature_fraction": 0.7,
        "max_bin": 63,
        "num_threads": 1,
        "verbosity": -1,
        "seed": 0,
    }
    rows = lightgbm.Dataset(X, left, categorical_feature=[10, 11])
    return lightgbm.train(settings, rows, 120)


def budget_of(business: Business) -> float | None:
    """Give the budget in money, None for no limit."""
    share = business.kind.budget_share
    return None if share is None else share * DECIDED_ROWS * max(COSTS)


def true_gain(business: Business, action: NDArray[np.int64]) -> float:
    """Give what actions (n,), -1 for none, bring to the customers decided on, in money."""
    decided = business.decided
    gain = decided.effect * decided.worth[:, None] - np.array(COSTS)
    rows = np.flatnonzero(action >= 0)
    return float(gain[rows, action[rows]].sum())


def best_actions(business: Business, gain: Floats) -> NDArray[np.int64]:
    """Give each customer the action of the highest gain (n, 2) within the budget."""
    offered = np.where(gain > 0, gain, -np.inf)
    return allocate(offered, np.array(COSTS), budget=budget_of(business)).action


def relative_effects(business: Business) -> Floats:
    """Estimate 1 - churn treated / churn untreated, (2,); by risk strata where it was targeted."""
    left, arm = 1.0 - business.stayed, business.arm
    if not business.kind.targeted:
        rate = np.array([left[arm == a].mean() for a in range(3)])
        return np.asarray(1.0 - rate[1:] / rate[0])
    stratum = np.searchsorted(np.quantile(business.risk, np.arange(1, 10) / 10), business.risk)
    rates = np.array(
        [[left[(arm == a) & (stratum == s)].mean() for a in range(3)] for s in range(10)]
    )
    return np.asarray(1.0 - rates[:, 1:].mean(axis=0) / rates[:, 0].mean())


def simple_rules(business: Business) -> dict[str, float]:
    """Give the true gain of each simple rule that knows what the plan knows."""
    stake = business.decided_risk * business.decided.worth
    gain = stake[:, None] * relative_effects(business) - np.array(COSTS)
    single = int(np.argmax(np.maximum(gain, 0).sum(axis=0)))
    alone = np.where(np.arange(2) == single, gain, -np.inf)
    n = len(stake)
    rules = {
        "none": np.full(n, -1),
        "rule, best action": best_actions(business, alone),
        "rule, each customer's best": best_actions(business, gain),
    }
    if business.kind.budget_share is None:
        rules |= {name: np.full(n, at) for at, name in enumerate(("all call", "all training"))}
    return {name: true_gain(business, action) for name, action in rules.items()}


def plan(business: Business) -> dict[str, Any]:
    """Fit effects, decide, and compare with the truth."""
    started = time.process_time()
    tested, decided = business.experiment, business.decided
    model = UpliftModel(categorical_features=(10, 11)).fit(
        tested.X,
        business.stayed,
        treatment=business.arm,
        propensity=business.propensity,
        value=tested.worth,
        cost=COSTS,
        risk=business.risk,
    )
    tried = ActionEffects.of(model, ("call", "training"), "staying")
    seconds = time.process_time() - started
    compiled = compile_catalogue(CATALOGUE, COLUMNS)
    effects = tried.treatment_effects(CATALOGUE, decided.X, business.decided_risk)
    decisions = decide(
        business.decided_risk,
        decided.fee[:, None],
        compiled,
        budget=budget_of(business),
        treatment_effects=effects,
    )
    true = true_gain(business, decisions.action)
    oracle = true_gain(
        business, best_actions(business, decided.effect * decided.worth[:, None] - np.array(COSTS))
    )
    total = decisions.total_gain
    inside = (effects.low <= decided.effect) & (decided.effect <= effects.high)
    return {
        "true": true,
        "oracle": oracle,
        "rules": simple_rules(business),
        "claimed": total.value,
        "low": total.low,
        "high": total.high,
        "acted": int((decisions.action >= 0).sum()),
        "at_stake": float((decided.risk * decided.worth).sum()),
        "customer_coverage": float(inside.mean()),
        "above_risk": int((effects.expected > business.decided_risk[:, None] + 1e-12).sum()),
        "verdict": str(model.verdict_),
        "policy": model.policy_,
        "cpu_seconds": seconds,
    }


def run(kinds: list[str], seeds: range | None) -> None:
    """Measure kinds of businesses, and publish after each business; by default all seeds of each."""
    file = HERE / "results" / "plan.json"
    for kind in kinds:
        for seed in range(KINDS[kind].seeds) if seeds is None else seeds:
            measured = plan(draw_business(KINDS[kind], seed))
            results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
            runs = results.get("runs", {})
            runs.setdefault(kind, {})[str(seed)] = measured
            results |= {**machine("lightgbm", "numpy", "scikit-learn"), "runs": runs}
            publish("plan", results, section(results))


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarize the businesses of one kind: sums of money over all of them."""

    def total(name: str) -> float:
        return float(sum(run[name] for run in runs))

    rules = {name: sum(run["rules"][name] for run in runs) for name in runs[0]["rules"]}
    best = max(rules, key=lambda name: rules[name])
    acting = [name for name in rules if name != "none"]
    worse = sum(run["true"] < 0.9 * max(run["rules"][name] for name in acting) for run in runs)
    return {
        "businesses": len(runs),
        "oracle": total("oracle"),
        "best rule": best,
        "rule": rules[best],
        "true": total("true"),
        "claimed": total("claimed"),
        "claimed_error": _error_of_ratio(
            np.array([run["claimed"] for run in runs]), np.array([run["true"] for run in runs])
        ),
        "inside": sum(run["low"] <= run["true"] <= run["high"] for run in runs),
        "worse": worse,
        "acted": sum(run["acted"] > 0 for run in runs),
        "lost": max(0.0, *(-run["true"] / run["at_stake"] for run in runs)),
        "above_risk": int(total("above_risk")),
        "customer_coverage": total("customer_coverage") / len(runs),
        "cpu_seconds": total("cpu_seconds") / len(runs),
    }


def section(results: dict[str, Any]) -> str:
    """Write the figures as Markdown."""
    rows = []
    for kind in KINDS:
        runs = list(results["runs"].get(kind, {}).values())
        if not runs:
            continue
        each = summary(runs)
        rows.append(
            f"| {kind} | {each['businesses']} | {_share(each['true'], each['rule'])} | "
            f"{each['worse']} | {_share(each['true'], each['oracle'])} | "
            f"{_share(each['rule'], each['oracle'])} | {_claimed(each)} | "
            f"{each['inside']} | {each['customer_coverage']:.0%} | {each['acted']} | "
            f"{each['lost']:.2%} | {each['cpu_seconds']:.1f} |"
        )
    return "\n".join(
        [
            "## Plans",
            "",
            (
                f"`python -m benchmarks.plan`, on {results['processor']}. Each business: "
                f"{RISK_ROWS:,} customers to learn the risk from, an experiment with three arms "
                f"(6,000 customers unless stated), {DECIDED_ROWS:,} others to decide on, of whom "
                "the true gain is known. Even seeds have smooth risks and effects, odd ones steps. "
                "The best rule is the best on average of: no action, all with one action, mean "
                "relative effect x risk x value with the best action or each customer's best. "
                "Shares are of sums over the businesses, ± the standard error over businesses."
            ),
            "",
            (
                "| kind | businesses | of the best rule | below 90% of the acting rules | "
                "of the oracle | rule, of the oracle | claimed / true | 90% interval holds | "
                "customers' 95% intervals hold | acted in | largest loss of the stake | CPU s |"
            ),
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            "No customer's effect exceeds the risk in any of them."
            if not sum(
                run["above_risk"] for runs in results["runs"].values() for run in runs.values()
            )
            else "Some customers' effects exceed the risk.",
        ]
    )


def _error_of_ratio(parts: Floats, wholes: Floats) -> float:
    """Return the standard error over businesses of a ratio of sums; NaN of a sum of zero."""
    if wholes.sum() <= 0.0:
        return float("nan")
    off = parts - wholes * (parts.sum() / wholes.sum())
    return float(np.sqrt((off**2).sum() * len(off) / max(len(off) - 1, 1)) / wholes.sum())


def _claimed(each: dict[str, Any]) -> str:
    if each["true"] <= 0.0:
        return "-"
    return f"{each['claimed'] / each['true']:.3f} ± {each['claimed_error']:.3f}"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.3f}" if whole > 0.0 else "-"


def main() -> None:
    """Run the kinds that are named, or all; two numbers are the first seed and one past the last."""
    names = [name for name in sys.argv[1:] if name in KINDS] or list(KINDS)
    numbers = [int(name) for name in sys.argv[1:] if name.isdigit()]
    seeds = range(*numbers) if len(numbers) == 2 else None
    with threadpool_limits(1):
        run(names, seeds)


if __name__ == "__main__":
    main()
