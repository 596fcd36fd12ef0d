"""Compiled trees beside LightGBM itself and other evaluators of the same model.

Run ``python -m benchmarks.trees``; no data are needed. Peers that are not installed here are
left out; ``--peer-python PYTHON`` (more than once) also asks other environments for theirs, such
as ``pip install lightgbm lleaves 'llvmlite<0.44'`` or ``treelite tl2cgen onnxruntime
onnxmltools pylignum shap woodelf-explainer``.
CPU time, one thread, in turns; each ratio is the median of its turns.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from benchmarks.publish import machine, publish
from benchmarks.tree_peers import cpu_seconds, single_row_fast
from churnkit.trees import CompiledTrees, compile_booster

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS = 3
MANY = 1_000_000
SAMPLE = 30_000
EXPLAINED = 4_096
CARDINALITIES = (3, 6, 12, 24, 48)
WIDE = (5, 12, 40, 120, 200)
# Name -> levels of each category, trees, leaves.
WIDTHS = {
    f"300 trees of 31 leaves, categories of {', '.join(map(str, WIDE))} levels": (WIDE, 300, 31),
    f"400 trees of 12 leaves, categories of {', '.join(map(str, WIDE))} levels": (WIDE, 400, 12),
    "300 trees of 31 leaves, categories of 5, 12, 40 levels": (WIDE[:3], 300, 31),
    "1,000 trees of 63 leaves, categories of 5, 12, 40 levels": (WIDE[:3], 1000, 63),
}
BACKGROUND = 100

FRESH = """
import sys, time
import numpy
wall, cpu = time.perf_counter(), time.process_time()
from churnkit.trees import compile_booster
trees = compile_booster(open(sys.argv[1]).read())
ready = time.perf_counter() - wall
trees.predict(numpy.zeros((5000, 30)))
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
start = time.process_time()
trees.warm_up()
print(ready, wall, cpu, time.process_time() - start)
"""


def make_rows(n_rows: int, seed: int, levels: tuple[int, ...] = CARDINALITIES) -> Any:
    """Draw 30 columns, ten of them sometimes missing, the last ones categories."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 30))
    for position, size in enumerate(levels, start=30 - len(levels)):
        X[:, position] = rng.integers(0, size, n_rows)
    X[:, :10][rng.random((n_rows, 10)) < 0.1] = np.nan
    return X


def train(levels: tuple[int, ...] = CARDINALITIES, trees: int = 300, leaves: int = 31) -> Any:
    """Train on 20,000 rows."""
    X, rng = make_rows(20_000, 0, levels), np.random.default_rng(7)
    categorical = list(range(30 - len(levels), 30))
    known = np.nan_to_num(X)
    score = known[:, :25] @ rng.normal(size=25) * 0.4 + np.abs(known[:, 0])
    score += np.sin(2 * known[:, 3]) * known[:, 11] + 0.5 * known[:, 12] * known[:, 13]
    for position in categorical:
        score += 0.5 * rng.normal(size=max(levels))[X[:, position].astype(int)]
    labels = score + rng.logistic(size=len(X)) > 0
    settings = {"objective": "binary", "num_leaves": leaves, "learning_rate": 0.05, "seed": 1}
    calm = {"verbose": -1, "num_threads": 1, "deterministic": True, "min_data_per_group": 20}
    data = lightgbm.Dataset(X, labels.astype(float), categorical_feature=categorical)
    return lightgbm.train({**settings, **calm}, data, trees)


def in_turns(works: dict[str, tuple[Callable[[], Any], int]]) -> dict[str, dict[str, float]]:
    """Measure several works by turns, so that a busy moment hits all of them.

    Parameters
    ----------
    works
        Name -> work and the number of its items; the first is what others are held against.
    """
    spent: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(TURNS + 1):
        for name, (work, items) in works.items():
            start = time.process_time()
            work()
            if turn:
                spent[name].append((time.process_time() - start) / items)
    base = next(iter(spent.values()))
    return {
        name: {
            "seconds_an_item": statistics.median(turns),
            "items_a_cpu_second": 1 / statistics.median(turns),
            "against_lightgbm": statistics.median(b / t for b, t in zip(base, turns, strict=True)),
        }
        for name, turns in spent.items()
    }


def scoring(booster: Any, fast: CompiledTrees, plain: CompiledTrees, X: Any) -> Any:
    """Score many rows; first hold that all scores are the same bits."""
    expected = booster.predict(X[:SAMPLE], raw_score=True, num_threads=1)
    np.testing.assert_array_equal(fast.raw_score(X[:SAMPLE]), expected)
    np.testing.assert_array_equal(plain.raw_score(X[:SAMPLE]), expected)
    fifth = X[: len(X) // 5]
    return in_turns(
        {
            "Booster.predict": (
                lambda: booster.predict(X[:SAMPLE], raw_score=True, num_threads=1),
                SAMPLE,
            ),
            "churnkit with numba": (lambda: fast.raw_score(X), len(X)),
            "churnkit, numpy alone": (lambda: plain.raw_score(fifth), len(fifth)),
        }
    )


def widths(n_rows: int) -> dict[str, Any]:
    """Score models with categories of other widths, and with more and larger trees."""
    figures = {}
    for name, (levels, trees, leaves) in WIDTHS.items():
        booster = train(levels, trees, leaves)
        text, X = booster.model_to_string(), make_rows(n_rows, 5, levels)
        fast, plain = compile_booster(text, fast=True), compile_booster(text, fast=False)
        figures[name] = scoring(booster, fast, plain, X)
    return figures


def explaining(booster: Any, fast: CompiledTrees, plain: CompiledTrees, X: Any) -> Any:
    """Explain rows; first hold that contributions agree and sum up."""
    few, part = X[:400], X[:EXPLAINED]
    expected = booster.predict(few, pred_contrib=True, num_threads=1)
    found = fast.contributions(few)
    np.testing.assert_array_equal(found, plain.contributions(few))
    results = in_turns(
        {
            "Booster.predict(pred_contrib=True)": (
                lambda: booster.predict(few, pred_contrib=True, num_threads=1),
                len(few),
            ),
            "churnkit with numba": (lambda: fast.contributions(part), len(part)),
            "churnkit, numpy alone": (lambda: plain.contributions(part), len(part)),
            f"churnkit, interventional, {BACKGROUND} background rows": (
                lambda: fast.contributions(few, background=X[:BACKGROUND]),
                len(few),
            ),
            "churnkit, interactions of all pairs": (lambda: fast.interactions(X[:100]), 100),
        }
    )
    gap = float(np.abs(found - expected).max())
    return {"largest_difference": gap, "figures": results}


def single_rows(booster: Any, fast: CompiledTrees, plain: CompiledTrees, X: Any) -> Any:
    """Score rows one by one, each handed over as its evaluator likes it best."""
    rows = np.ascontiguousarray(X[:1000])
    lists = rows.tolist()
    call = single_row_fast(booster, rows.shape[1])
    pointers = [row.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for row in rows]
    np.testing.assert_array_equal([call(p) for p in pointers], [*map(fast.predict_row, lists)])
    return in_turns(
        {
            "LightGBM's single-row fast call": (lambda: [call(p) for p in pointers], 1000),
            "churnkit with numba": (lambda: [fast.predict_row(r) for r in lists], 1000),
            "churnkit, numpy alone": (lambda: [plain.predict_row(r) for r in lists], 1000),
            "Booster.predict": (
                lambda: [
                    booster.predict(rows[i : i + 1], raw_score=True, num_threads=1)
                    for i in range(100)
                ],
                100,
            ),
        }
    )


def threads(trees: CompiledTrees, X: Any) -> float:
    """Return how much faster two threads are than one, by the wall clock.

    The least of the turns counts: other work on the machine only ever adds to it.
    """
    walls: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(2 * TURNS):
        for count, spent in walls.items():
            start = time.perf_counter()
            trees.raw_score(X, threads=count)
            spent.append(time.perf_counter() - start)
    return min(walls[1]) / min(walls[2])


def starting(path: str, text: str) -> dict[str, float]:
    """Measure compiling, loading, memory, and the first score of a fresh process."""
    compiled = cpu_seconds(lambda: compile_booster(text), TURNS)
    saved = compile_booster(text).to_arrays()
    loaded = cpu_seconds(lambda: CompiledTrees.from_arrays(*saved), TURNS)
    rows = make_rows(3000, 1)
    tracemalloc.start()
    trees = compile_booster(text)
    trees.raw_score(rows)
    trees.predict_row(rows[0].tolist())
    trees.contributions(rows)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    fresh = [_fresh(path) for _ in range(TURNS)]
    with tempfile.TemporaryDirectory() as empty:
        # Without the kernels that the package's folder may hold.
        never = _fresh(path, NUMBA_CACHE_DIR=empty)
    least = [min(part) for part in zip(*fresh, strict=True)]
    return {
        "compile_cpu_seconds": compiled,
        "load_arrays_cpu_seconds": loaded,
        "memory_bytes": held,
        "saved_bytes": sum(array.nbytes for array in saved[1].values()),
        "fresh_ready_wall_seconds": least[0],
        "fresh_first_score_wall_seconds": least[1],
        "fresh_first_score_cpu_seconds": least[2],
        "first_ever_score_wall_seconds": never[1],
        "first_ever_score_cpu_seconds": never[2],
        "load_kernels_cpu_seconds": least[3],
        "compile_kernels_cpu_seconds": never[3],
    }


def _fresh(path: str, **environment: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", FRESH, path],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    return [float(word) for word in done.stdout.split()]


def peers(pythons: list[str], path: str, X: Any) -> dict[str, Any]:
    """Ask each environment for the peers that it has."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npy"
        np.save(rows, X[:SAMPLE])
        for python in [sys.executable, *pythons]:
            script = Path(__file__).with_name("tree_peers.py")
            done = subprocess.run(
                [python, str(script), path, str(rows)], capture_output=True, text=True, check=True
            )
            found |= json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _table(title: str, figures: Any, unit: Callable[[Any], str], more: Any = None) -> list[str]:
    lines = [f"| {title} | against LightGBM |", "|---|---:|---:|"]
    for name, figure in figures.items():
        lines.append(f"| {name} | {unit(figure)} | {figure['against_lightgbm']:.2f} |")
    for name, peer in (more or {}).items():
        cell = f"{peer['rows_a_cpu_second']:,.0f}" if "failed" not in peer else "cannot convert it"
        ratio = f"{peer['against_lightgbm']:.2f}" if "failed" not in peer else ""
        lines.append(f"| {name} {peer['version']} | {cell} | {ratio} |")
    return [*lines, ""]


def _width_table(models: dict[str, Any]) -> list[str]:
    names = ("churnkit with numba", "churnkit, numpy alone")
    lines = [f"| rows a CPU-second (against LightGBM) | {' | '.join(names)} |", "|---|---:|---:|"]
    for model, figures in models.items():
        cells = (
            f"{figures[name]['items_a_cpu_second']:,.0f} ({figures[name]['against_lightgbm']:.1f})"
            for name in names
        )
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return [*lines, ""]


def describe(results: dict[str, Any]) -> str:
    """Write the figures as Markdown."""
    start, others = results["starting"], results["peers"]
    scorers = {name: peer for name, peer in others.items() if not peer.get("explains")}
    explainers = {name: peer for name, peer in others.items() if peer.get("explains")}
    packages = results["machine"]["packages"]
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())

    def rate(figure: Any) -> str:
        return f"{figure['items_a_cpu_second']:,.0f}"

    def micros(figure: Any) -> str:
        return f"{figure['seconds_an_item'] * 1e6:,.1f}"

    lines = [
        "## Compiled trees",
        "",
        (
            f"`{results['command']}`: 300 trees of 31 leaves, 30 columns (5 categorical, 10 with "
            f"missing values), float64, CPU time of one thread, medians of {TURNS} turns, on "
            f"{results['machine']['processor']}; Python {results['machine']['python']}, {versions}. "
            "Raw scores are the same bits as LightGBM's, with numba and without. Peers from other "
            "environments are held against `Booster.predict` in their own process."
        ),
        "",
        *_table("many rows | rows a CPU-second", results["scoring"], rate, scorers),
        *_table(
            "contributions | rows a CPU-second",
            results["explaining"]["figures"],
            rate,
            explainers,
        ),
        (
            f"Largest difference of a contribution from LightGBM's: "
            f"{results['explaining']['largest_difference']:.1e}."
        ),
        "",
        *_table("one row | microseconds", results["single_rows"], micros),
        *_width_table(results["widths"]),
        "| starting (wall clock: least of the turns) | |",
        "|---|---:|",
        f"| compile the model's text, CPU ms | {start['compile_cpu_seconds'] * 1e3:.0f} |",
        f"| load saved arrays, CPU ms | {start['load_arrays_cpu_seconds'] * 1e3:.0f} |",
        (
            f"| fresh process, model ready after `import numpy`, ms | "
            f"{start['fresh_ready_wall_seconds'] * 1e3:.0f} |"
        ),
        (
            f"| fresh process, first score, ms | "
            f"{start['fresh_first_score_wall_seconds'] * 1e3:.0f} "
            f"(CPU {start['fresh_first_score_cpu_seconds'] * 1e3:.0f}) |"
        ),
        (
            f"| fresh installation, first score, ms | "
            f"{start['first_ever_score_wall_seconds'] * 1e3:.0f} "
            f"(CPU {start['first_ever_score_cpu_seconds'] * 1e3:.0f}) |"
        ),
        f"| load the kernels, CPU s | {start['load_kernels_cpu_seconds']:.2f} |",
        (
            f"| compile the kernels, once per installation, CPU s | "
            f"{start['compile_kernels_cpu_seconds']:.1f} |"
        ),
        f"| memory held after scoring and explaining, MB | {start['memory_bytes'] / 1e6:.1f} |",
        f"| two threads against one, by the wall clock | {results['two_threads']:.2f} |",
        "",
        (
            f"Load of the machine at the start, this run included: {results['load']:.1f} on "
            f"{results['machine']['cores']} cores; wall clock figures suffer from more than 1."
        ),
    ]
    failed = [f"- {name}: {peer['failed']}" for name, peer in others.items() if "failed" in peer]
    return "\n".join([*lines, *([""] if failed else []), *failed])


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", action="append", default=[], metavar="PYTHON")
    parser.add_argument("--rows", type=int, default=MANY)
    options = parser.parse_args()
    booster = train()
    text, X = booster.model_to_string(), make_rows(options.rows, 5)
    fast, plain = compile_booster(text, fast=True), compile_booster(text, fast=False)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.txt")
        Path(path).write_text(text, encoding="utf-8")
        results = {
            "command": "python -m benchmarks.trees"
            + (f" --rows {options.rows}" if options.rows != MANY else ""),
            "machine": machine("lightgbm", "numba", "numpy"),
            "rows": options.rows,
            "load": os.getloadavg()[0],
            "scoring": scoring(booster, fast, plain, X),
            "explaining": explaining(booster, fast, plain, X),
            "single_rows": single_rows(booster, fast, plain, X),
            "two_threads": threads(fast, X),
            "starting": starting(path, text),
            "widths": widths(options.rows // 4),
            "peers": peers(options.peer_python, path, X),
        }
    section = describe(results)
    publish("trees", results, section)
    print(section)


if __name__ == "__main__":
    main()
