"""Effects of actions: a real experiment, and a simulated business whose effects are known.

Run ``python -m benchmarks.uplift`` with the public data sets under ``CHURNKIT_DATA_DIR``, or one
part of it: ``python -m benchmarks.uplift hillstrom``, ``splits``, ``simulator``, ``fresh`` or
``seeds``. A part keeps the figures of the others.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sklearn.model_selection import StratifiedShuffleSplit
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import HERE, machine, publish
from churnkit.contracts.contract import Contract
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import load, simulate
from churnkit.evaluation import auuc_score, paired_value, qini_score
from churnkit.models import UpliftModel
from schemas.demo import Demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ACTIONS = ("call", "discount", "training")
ARMS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
SPLITS = 4
LEARNERS: dict[str, dict[str, Any]] = {
    "auto": {},
    "s, trees of 4 leaves": {"learner": "s", "num_leaves": 4},
    "s": {"learner": "s"},
    "t": {"learner": "t"},
    "x": {"learner": "x"},
    "dr": {"learner": "dr"},
    "response": {"learner": "response"},
}
PERIODS, MARGIN = 12, 0.7
LEVELS = (0.0, 0.2, 0.5, 0.8, 0.95)


def hillstrom(
    learners: dict[str, dict[str, Any]] = LEARNERS, *, seeds: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """Measure on four stratified splits a seed, 70% to fit on and 30% to judge by."""
    table = load("hillstrom")
    arm = np.array([ARMS.index(name) for name in table["segment"].to_pylist()])
    visit = table["visit"].to_numpy().astype(float)
    columns = [
        table[name].to_numpy() for name in ("recency", "history", "mens", "womens", "newbie")
    ]
    columns += [
        np.unique(table[name].to_numpy(), return_inverse=True)[1]
        for name in ("zip_code", "channel")
    ]
    X = np.column_stack(columns).astype(float)
    parts = [
        part
        for seed in seeds
        for part in StratifiedShuffleSplit(SPLITS, test_size=0.3, random_state=seed).split(
            X, arm * 2 + visit
        )
    ]
    return {
        name: [_split(settings, X, visit, arm, train=train, test=test) for train, test in parts]
        for name, settings in learners.items()
    }


def splits() -> dict[str, Any]:
    """Measure three of the learners on eight further splits."""
    few = ("auto", "s, trees of 4 leaves", "x")
    return hillstrom({name: LEARNERS[name] for name in few}, seeds=(1, 2))


def _split(
    settings: dict[str, Any],
    X: Floats,
    visit: Floats,
    arm: NDArray[np.int64],
    *,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
) -> dict[str, Any]:
    started = time.process_time()
    model = UpliftModel(**settings, categorical_features=(5, 6)).fit(
        X[train], visit[train], treatment=arm[train], propensity=np.full(len(train), 1 / 3)
    )
    seconds = time.process_time() - started
    effects = model.predict(X[test])
    found: dict[str, Any] = {"cpu_seconds": seconds, "verdict": model.verdict_.in_words(ARMS[1:])}
    for action in (1, 2):
        rows = np.isin(arm[test], (0, action))
        given = (
            visit[test][rows],
            effects[rows, action - 1],
            (arm[test][rows] == action).astype(int),
        )
        found[f"qini {ARMS[action]}"] = qini_score(*given)
        found[f"auuc {ARMS[action]}"] = auuc_score(*given)
    chosen = np.argmax(np.column_stack([np.zeros(len(test)), effects]), axis=1)
    weighted = np.zeros((len(test), 3))
    # Inverse propensity: the share of each arm in the test part.
    share = np.bincount(arm[test]) / len(test)
    weighted[np.arange(len(test)), arm[test]] = visit[test] / share[arm[test]]
    found["policy"] = float(weighted[np.arange(len(test)), chosen].mean())
    found["always Mens"] = float(weighted[:, 1].mean())
    found["gain on always Mens"] = paired_value(weighted, chosen, 1).to_dict()
    return found


class Campaigns(NamedTuple):
    """The decisions of simulated campaigns, with the truth."""

    X: Floats
    stayed: Floats
    arm: NDArray[np.int64]
    propensity: Floats
    worth: Floats
    cost: Floats
    customer: NDArray[np.str_]
    effect: Floats
    categorical: tuple[int, ...]


def campaigns(customers: int, seed: int) -> Campaigns:
    """Simulate a business, and make each decision's features from what was known before it."""
    business = simulate(customers=customers, seed=seed)
    log = business.tables["treatments"]
    log = log.filter(pc.is_valid(log["churned"]))
    parts = []
    for moment in pc.unique(log["decided_at"]).to_pylist():
        day = np.datetime64(moment.replace(tzinfo=None), "us")
        chosen = log.filter(pc.equal(log["decided_at"], pa.scalar(moment)))
        snapshot = business.snapshot(day, horizon_days=None)
        place = pc.index_in(chosen["customer_id"], snapshot["customer_id"].combine_chunks())
        part = snapshot.take(place.combine_chunks())
        truth = business.snapshot_truth(day).take(place.combine_chunks())
        for name in ("action", "propensity", "churned"):
            part = part.append_column(name, chosen[name])
        for action in ACTIONS:
            part = part.append_column(f"effect_{action}", truth[f"effect_{action}"])
        parts.append(part)
    table = pa.concat_tables(parts).combine_chunks()
    contract = learn_levels(Contract.from_schema(Demo), table)
    mrr = table["mrr"].to_numpy()
    names = ("none", *ACTIONS)
    return Campaigns(
        X=TableEncoder(contract).encode(table).features,
        stayed=1.0 - table["churned"].cast(pa.float64()).to_numpy(),
        arm=np.array([names.index(name) for name in table["action"].to_pylist()]),
        propensity=table["propensity"].to_numpy(),
        worth=mrr * PERIODS * MARGIN,
        cost=np.column_stack([np.full(len(mrr), 12.0), 0.6 * mrr, np.full(len(mrr), 25.0)]),
        customer=np.array(table["customer_id"].to_pylist()),
        effect=-np.column_stack([table[f"effect_{action}"].to_numpy() for action in ACTIONS]),
        categorical=contract.categorical_features,
    )


def seen_effects(train: Campaigns, X: Floats) -> Floats:
    """Regress the true effects on what a company sees: the best that any model can know."""
    import lightgbm

    settings = {
        "learning_rate": 0.08,
        "num_leaves": 63,
        "min_data_in_leaf": 60,
        "feature_fraction": 0.8,
        "num_threads": 1,
        "verbosity": -1,
    }
    rows = (lightgbm.Dataset(train.X, train.effect[:, at]) for at in range(len(ACTIONS)))
    return np.column_stack([lightgbm.train(settings, part, 250).predict(X) for part in rows])


def realised(test: Campaigns, gain: Floats, allowed: NDArray[np.bool_] | None = None) -> float:
    """Give what a plan brings for each customer, by the true effects."""
    offered = gain if allowed is None else np.where(allowed, gain, -np.inf)
    full = np.column_stack([np.zeros(len(gain)), test.effect * test.worth[:, None] - test.cost])
    chosen = np.argmax(np.column_stack([np.zeros(len(gain)), offered]), axis=1)
    return float(full[np.arange(len(gain)), chosen].mean())


def judged(
    train: Campaigns, test: Campaigns, seen: Floats | None, **settings: Any
) -> dict[str, Any]:
    """Fit a model to campaigns and carry its plan out on other customers."""
    started = time.process_time()
    model = UpliftModel(categorical_features=train.categorical, **settings).fit(
        train.X,
        train.stayed,
        treatment=train.arm,
        propensity=train.propensity,
        value=train.worth,
        cost=train.cost,
        groups=train.customer,
    )
    seconds = time.process_time() - started
    true = test.effect * test.worth[:, None] - test.cost
    found: dict[str, Any] = {
        "rows": len(train.arm),
        "cpu_seconds": seconds,
        "verdict": model.verdict_.in_words(ACTIONS),
        "best constant": max(0.0, float(true.mean(axis=0).max())),
        "oracle of the unseen": realised(test, true),
        "plans": {},
    }
    for level in LEVELS:
        low, expected, _ = model.predict_interval(test.X, level=level)
        gain = expected * test.worth[:, None] - test.cost
        pays = low * test.worth[:, None] - test.cost > 0
        found["plans"][f"{level:g}"] = realised(test, gain, pays)
    if seen is not None:
        low, _, high = model.predict_interval(test.X)
        found["oracle"] = realised(test, seen * test.worth[:, None] - test.cost)
        found["coverage"] = ((low <= seen) & (seen <= high)).mean(axis=0).tolist()
    return found


def simulator() -> dict[str, Any]:
    """Measure at 200,000 decisions, against the best that can be known."""
    test = campaigns(25_000, 1001)
    seen = seen_effects(campaigns(100_000, 2001), test.X)
    return judged(campaigns(100_000, 1), test, seen)


def fresh() -> list[dict[str, Any]]:
    """Measure the same on businesses by which nothing was chosen, the default level among it."""
    found = []
    for seed in range(11, 14):
        test = campaigns(25_000, 1000 + seed)
        seen = seen_effects(campaigns(100_000, 2000 + seed), test.X)
        found.append(judged(campaigns(100_000, seed), test, seen))
    return found


def seeds() -> list[dict[str, Any]]:
    """Measure at 20,000 decisions of each of twenty businesses."""
    test = campaigns(20_000, 1002)
    return [judged(campaigns(10_000, 3000 + seed), test, None, seed=seed) for seed in range(20)]


PARTS: dict[str, Callable[[], Any]] = {
    "hillstrom": hillstrom,
    "splits": splits,
    "simulator": simulator,
    "fresh": fresh,
    "seeds": seeds,
}


def main() -> None:
    file = HERE / "results" / "uplift.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    with threadpool_limits(1):
        for part in sys.argv[1:] or PARTS:
            treatment_effects = PARTS[part]()
            results = json.loads(file.read_text()) if file.exists() else results
            results |= {**machine("lightgbm", "numpy", "scikit-learn"), part: treatment_effects}
            publish("uplift", results, section(results))


def section(results: dict[str, Any]) -> str:
    lines = ["## Uplift", "", f"`python -m benchmarks.uplift`, on {results['processor']}.", ""]
    writers: tuple[Callable[[Any], list[str]], ...] = (
        _hillstrom,
        _splits,
        _simulator,
        _fresh,
        _seeds,
    )
    for part, write in zip(PARTS, writers, strict=True):
        if part in results:
            lines += [*write(results[part]), ""]
    return "\n".join(lines)


def _hillstrom(found: dict[str, Any]) -> list[str]:
    rows = []
    for learner, parts in found.items():
        mean = {
            name: float(np.mean([part[name] for part in parts]))
            for name in parts[0]
            if name not in {"verdict", "gain on always Mens"}
        }
        gain = [part["gain on always Mens"] for part in parts]
        beyond = sum(one["low"] > 0 for one in gain)
        rows.append(
            f"| {learner} | {mean['qini Mens E-Mail']:.4f} | {mean['qini Womens E-Mail']:.4f} | "
            f"{mean['auuc Mens E-Mail']:.4f} | {mean['auuc Womens E-Mail']:.4f} | "
            f"{mean['policy']:.4f} | {mean['always Mens']:.4f} | {beyond} of {len(gain)} | "
            f"{mean['cpu_seconds']:.1f} |"
        )
    verdict = found["auto"][0]["verdict"]
    return [
        f"Hillstrom's experiment, visits; means over {SPLITS} stratified splits of 70 / 30.",
        "",
        (
            "| learner | Qini Mens | Qini Womens | AUUC Mens | AUUC Womens | policy (IPS) | always "
            "Mens | beats it beyond noise | CPU s |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        *rows,
        "",
        f"The verdict of the default learner on the first split: {verdict}.",
    ]


def _splits(found: dict[str, Any]) -> list[str]:
    def qini(parts: list[dict[str, Any]], arm: str) -> str:
        each = np.array([part[f"qini {arm}"] for part in parts])
        return f"{each.mean():.4f} ± {each.std(ddof=1) / len(each) ** 0.5:.4f}"

    count = len(next(iter(found.values())))
    return [
        (
            f"{count} further splits, by which nothing was chosen: mean ± its standard error, as "
            "if splits had no customer in common. What four splits say moves with the four."
        ),
        "",
        "| learner | Qini Mens | Qini Womens |",
        "|---|---:|---:|",
        *(
            f"| {name} | {qini(parts, ARMS[1])} | {qini(parts, ARMS[2])} |"
            for name, parts in found.items()
        ),
    ]


def _simulator(found: dict[str, Any]) -> list[str]:
    plans = found["plans"].items()
    cover = ", ".join(
        f"{name} {share:.1%}" for name, share in zip(ACTIONS, found["coverage"], strict=True)
    )
    return [
        (
            f"Simulated campaigns, {found['rows']:,} decisions ({found['cpu_seconds']:.0f} CPU s); "
            "money a customer that plans really bring on other customers. The oracle knows the mean "
            "effect on customers whose columns are the same, which is all that can be known; one "
            f"that knew each customer's hidden traits would bring {found['oracle of the unseen']:.2f}."
        ),
        "",
        "| who decides | money a customer | share of the oracle's |",
        "|---|---:|---:|",
        f"| the oracle | {found['oracle']:.2f} | 100.0% |",
        *(
            f"| lower bound at {float(level):.0%} above zero | {value:.2f} | "
            f"{value / found['oracle']:.1%} |"
            for level, value in plans
        ),
        (
            f"| the best single action for all | {found['best constant']:.2f} | "
            f"{found['best constant'] / found['oracle']:.1%} |"
        ),
        "",
        f"95% intervals hold the oracle's effect: {cover}. The verdict: {found['verdict']}.",
    ]


def _fresh(found: list[dict[str, Any]]) -> list[str]:
    shares = {
        level: [run["plans"][level] / run["oracle"] for run in found] for level in found[0]["plans"]
    }
    cover = np.mean([run["coverage"] for run in found])
    return [
        (
            f"{len(found)} more such businesses, by which nothing was chosen: the share of the "
            f"oracle's in each. 95% intervals hold the oracle's effect in {cover:.1%}."
        ),
        "",
        "| lower bound at | least | mean | most |",
        "|---|---:|---:|---:|",
        *(
            f"| {float(level):.0%} | {min(each):.1%} | {np.mean(each):.1%} | {max(each):.1%} |"
            for level, each in shares.items()
        ),
    ]


def _seeds(found: list[dict[str, Any]]) -> list[str]:
    gained = {
        level: [run["plans"][level] - run["best constant"] for run in found]
        for level in found[0]["plans"]
    }
    return [
        (
            f"{len(found)} businesses of about {found[0]['rows']:,} decisions each: the "
            "plan against the best single action for all, money a customer."
        ),
        "",
        "| lower bound at | least | mean | never below |",
        "|---|---:|---:|---|",
        *(
            f"| {float(level):.0%} | {min(each):+.2f} | {np.mean(each):+.2f} | "
            f"{'yes' if min(each) >= 0 else f'below in {sum(one < 0 for one in each)}'} |"
            for level, each in gained.items()
        ),
    ]


if __name__ == "__main__":
    main()
