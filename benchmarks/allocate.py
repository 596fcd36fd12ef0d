"""Allocation under a budget and capacities: CPU time, memory and certified gap, beside HiGHS.

Run ``python -m benchmarks.allocate``; it writes ``results/allocate.json`` and its table in
``RESULTS.md``. Each measurement has a process of its own, so that peak memory is its own too.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.publish import machine, publish
from churnkit.decisions.catalogue.compiled import compile_catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTIONS = 5
_SIZES = [10_000, 100_000, 1_000_000, 10_000_000]
_SHARES = np.array([0.05, 0.08, 0.06, 0.04, 0.10])
_BATCH = 100_000
# What is asked for in batches.
_BATCHES_LEAST = 1_000_000
# What numpy is asked for; with numba ten times more.
_NUMPY_MOST = 1_000_000


def problem(customers: int, seed: int) -> dict[str, Any]:
    """Draw heavy-tailed gains, costs that differ by customer, a budget and five capacities."""
    rng = np.random.default_rng(seed)
    at_stake = 12.0 * rng.beta(1.2, 4.0, customers) * rng.lognormal(3.5, 0.8, customers)
    gain = np.empty((customers, ACTIONS))
    cost = np.empty((customers, ACTIONS))
    effects, prices = (0.10, 0.20, 0.25, 0.30, 0.15), (2.0, 8.0, 15.0, 30.0, 5.0)
    for j in range(ACTIONS):
        effect = np.clip(rng.normal(effects[j], 0.08, customers), 0.0, 1.0)
        cost[:, j] = np.maximum(rng.lognormal(np.log(prices[j]), 0.3, customers), 0.5)
        gain[:, j] = at_stake * effect - cost[:, j]
    capacity = _SHARES * customers
    return {"gain": gain, "cost": cost, "budget": 3.0 * customers, "capacity": capacity}


def measure_churnkit(customers: int, seed: int, *, with_numba: bool) -> dict[str, Any]:
    """Time the allocation alone; compiled code is loaded before, as SciPy is for HiGHS."""
    from churnkit.decisions import allocate
    from churnkit.decisions.allocation import problem as allocation_problem

    if not with_numba:
        allocation_problem.kernels = lambda: None  # type: ignore[assignment]
    allocate(**problem(40_000, seed + 1))
    given = problem(customers, seed)
    started = time.process_time()
    plan = allocate(**given)
    seconds = time.process_time() - started
    used = np.bincount(plan.action + 1, minlength=ACTIONS + 1)[1:]
    rows = np.flatnonzero(plan.action >= 0)
    spent = float(given["cost"][rows, plan.action[rows]].sum())
    return {
        "solver": "churnkit, numba" if with_numba else "churnkit, numpy",
        "cpu_seconds": seconds,
        "value": plan.value,
        "bound": plan.bound,
        "gap": plan.gap,
        "feasible": spent <= given["budget"] and bool((used <= given["capacity"]).all()),
    }


def measure_batches(customers: int, seed: int) -> dict[str, Any]:
    """Time an allocation of batches that are drawn anew at each pass, less the drawing."""
    from churnkit.decisions import allocate_batches

    drawing = 0.0

    def batches() -> Iterator[tuple[Any, Any]]:
        nonlocal drawing
        for start in range(0, customers, _BATCH):
            began = time.process_time()
            part = problem(min(_BATCH, customers - start), seed + start)
            drawing += time.process_time() - began
            yield part["gain"], part["cost"]

    budget, capacity = 3.0 * customers, _SHARES * customers
    small = problem(2_000, seed + 1)
    allocate_batches(lambda: [(small["gain"], small["cost"])], budget=100.0, sample=1_000)
    started = time.process_time()
    plan = allocate_batches(batches, budget=budget, capacity=capacity)
    seconds = time.process_time() - started - drawing
    used = np.zeros(ACTIONS)
    paid: list[float] = []
    for action, (_, cost) in zip(plan.actions(), batches(), strict=True):
        rows = np.flatnonzero(action >= 0)
        used += np.bincount(action[rows], minlength=ACTIONS)
        paid.append(math.fsum(cost[rows, action[rows]].tolist()))
    return {
        "solver": "churnkit, in batches",
        "cpu_seconds": seconds,
        "value": plan.value,
        "bound": plan.bound,
        "gap": plan.gap,
        "passes": plan.passes,
        "feasible": math.fsum(paid) <= budget and bool((used <= capacity).all()),
    }


def measure_highs(customers: int, seed: int) -> dict[str, Any]:
    """Solve the linear relaxation by HiGHS's interior point method, through scipy."""
    import scipy.sparse as sp
    from scipy.optimize import linprog

    given = problem(customers, seed)
    started = time.process_time()
    rows, actions = np.nonzero(given["gain"] > 0.0)
    cells = rows.shape[0]
    place, ones = np.arange(cells), np.ones(cells)
    limits = sp.vstack(
        [
            sp.csr_array((ones, (rows, place)), shape=(customers, cells)),
            sp.csr_array(given["cost"][rows, actions][None, :]),
            sp.csr_array((ones, (actions, place)), shape=(ACTIONS, cells)),
        ]
    )
    right = np.concatenate([np.ones(customers), [given["budget"]], given["capacity"]])
    found = linprog(
        -given["gain"][rows, actions], A_ub=limits, b_ub=right, bounds=(0, 1), method="highs-ipm"
    )
    return {
        "solver": "HiGHS interior point",
        "cpu_seconds": time.process_time() - started,
        "optimum": -float(found.fun),
    }


def one_customer() -> dict[str, float]:
    """Time a decision for one customer at a plan's prices, in microseconds of CPU time."""
    from datetime import UTC, date, datetime

    from churnkit.contracts import Column
    from churnkit.decisions import (
        Action,
        Catalogue,
        ContactLimit,
        ContactPolicy,
        DecisionContext,
        Effect,
        Event,
        Exploration,
        History,
        ShadowPrices,
        Where,
        decide_one,
    )

    columns = (Column("fee", "number", ("value",)), Column("age", "number", ("feature",)))
    rule = (Where("age", ">=", 18),)
    effect = Effect(0.05, 0.1, 0.2)
    actions = tuple(
        Action(f"a{j}", "An action", 2.0 + j, effect, rule, holdout=0.05) for j in range(ACTIONS)
    )
    contact = ContactPolicy((ContactLimit(2, 30),))
    past = Event(datetime(2026, 10, 20, tzinfo=UTC), None, "a0")
    context = DecisionContext(["c1"], date(2026, 11, 1), History({"c1": [past]}))
    prices = ShadowPrices(0.3, np.full(ACTIONS, 0.5))
    found = {}
    settings = {
        "plain": None,
        "uniform exploration": Exploration(0.1),
        "Thompson exploration": Exploration(0.1, "thompson"),
    }
    for name, exploration in settings.items():
        declared = Catalogue(actions, contact=contact, holdout=0.05, exploration=exploration)
        catalogue = compile_catalogue(declared, columns)
        for _ in range(100):
            decide_one(0.5, [30.0, 40.0], catalogue, prices=prices, context=context)
        started = time.process_time()
        for _ in range(2000):
            decide_one(0.5, [30.0, 40.0], catalogue, prices=prices, context=context)
        found[name] = (time.process_time() - started) / 2000 * 1e6
    return found


def treatment_effects(solver: str, customers: int, seed: int) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.allocate", "--measure", solver, str(customers)]
    done = subprocess.run(
        [*command, "--seed", str(seed)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run(sizes: list[int], beside: int, seed: int) -> dict[str, Any]:
    rows = [treatment_effects("numpy", size, seed) for size in sizes if size <= _NUMPY_MOST]
    rows += [treatment_effects("numba", size, seed) for size in sizes if size >= beside]
    highs = treatment_effects("highs", beside, seed)
    own = next(row for row in rows if row["customers"] == beside)
    compiled = next(row for row in rows[::-1] if row["customers"] == beside)
    rows += [treatment_effects("batches", size, seed) for size in sizes if size >= _BATCHES_LEAST]
    return {
        "actions": ACTIONS,
        "seed": seed,
        **machine("numpy", "scipy", "numba"),
        "runs": rows,
        "highs": highs,
        "below_highs_optimum": 1.0 - own["value"] / highs["optimum"],
        "times_less_cpu_than_highs": highs["cpu_seconds"] / own["cpu_seconds"],
        "one_customer_microseconds": one_customer(),
        "times_less_cpu_than_highs_numba": highs["cpu_seconds"] / compiled["cpu_seconds"],
    }


def table(results: dict[str, Any]) -> str:
    actions, highs = results["actions"], results["highs"]
    said = (
        f"`python -m benchmarks.allocate`: {actions} actions, a budget and {actions} capacities; "
        "CPU time of one thread, peak memory of the whole process with the problem in it. "
        f"In batches of {_BATCH:,}, drawn anew at each pass, the problem is never whole in memory; "
        "the drawing is not in the time."
    )
    lines = [
        "| solver | customers | CPU s | peak MB | certified gap | feasible |",
        "|---|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {row['solver']} | {row['customers']:,} | {row['cpu_seconds']:.2f} | {row['peak_mb']:.0f} "
        f"| {row['gap']:.1e} | {'yes' if row['feasible'] else 'no'} |"
        for row in results["runs"]
    ]
    lines.append(
        f"| {highs['solver']} | {highs['customers']:,} | {highs['cpu_seconds']:.2f} "
        f"| {highs['peak_mb']:.0f} | | |"
    )
    verdict = (
        f"At {highs['customers']:,} customers the plan is {results['below_highs_optimum']:.1e} "
        "below HiGHS's optimum of the linear relaxation, with "
        f"{results['times_less_cpu_than_highs']:.0f} times less CPU time in numpy and "
        f"{results['times_less_cpu_than_highs_numba']:.0f} times less with numba. Both are timed "
        "from arrays to optimum, with what they import loaded; HiGHS's time has the making of "
        "its sparse matrix in it. numpy and numba give the same plan to the last bit."
    )
    alone = ", ".join(f"{t:.0f} ({n})" for n, t in results["one_customer_microseconds"].items())
    one = (
        f"One customer at a plan's prices, {actions} actions with rules, holdouts and contact "
        f"limits: {alone} microseconds of CPU time."
    )
    return "\n".join(["## Allocation", "", said, "", *lines, "", verdict, "", one])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES)
    parser.add_argument("--beside", type=int, default=100_000, help="customers for HiGHS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure", nargs=2, metavar=("SOLVER", "CUSTOMERS"))
    asked = parser.parse_args()
    if asked.measure:
        solver, customers = asked.measure[0], int(asked.measure[1])
        if solver == "highs":
            found = measure_highs(customers, asked.seed)
        elif solver == "batches":
            found = measure_batches(customers, asked.seed)
        else:
            found = measure_churnkit(customers, asked.seed, with_numba=solver == "numba")
        found["customers"] = customers
        found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        print(json.dumps(found))
        return
    results = run(sorted({*asked.sizes, asked.beside}), asked.beside, asked.seed)
    publish("allocate", results, table(results))
    print(table(results))


if __name__ == "__main__":
    main()
