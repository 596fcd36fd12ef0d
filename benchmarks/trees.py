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

import numpy as np

from benchmarks.publish import machine, publish
from benchmarks.tree_models import SIZES, make_rows, train
from benchmarks.tree_peers import TURNS, cpu_seconds, single_row_fast
from benchmarks.tree_tables import describe
from churnkit.trees import CompiledTrees, compile_booster

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 1_000_000
SAMPLE, SIZE_SAMPLE = 30_000, 5_000
EXPLAINED = 4_096
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


def scoring(
    booster: Any, fast: CompiledTrees, plain: CompiledTrees, X: Any, n_sample: int = SAMPLE
) -> Any:
    """Score many rows; first hold that all scores are the same bits."""
    sample, part = X[:n_sample], X[: max(len(X) // 5, 20_000)]
    expected = booster.predict(sample, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(fast.raw_score(sample), expected)
    np.testing.assert_array_equal(plain.raw_score(sample), expected)
    return in_turns(
        {
            "Booster.predict": (
                lambda: booster.predict(sample, raw_score=True, num_threads=1),
                len(sample),
            ),
            "churnkit with numba": (lambda: fast.raw_score(X), len(X)),
            "churnkit, numpy alone": (lambda: plain.raw_score(part), len(part)),
        }
    )


def sizes(n_rows: int, pythons: list[str]) -> dict[str, Any]:
    """Score models of several sizes, with the peers that need no compiler."""
    figures = {}
    for size in SIZES:
        booster, X = train(size), make_rows(n_rows, 5, size)
        text = booster.model_to_string()
        fast, plain = compile_booster(text, fast=True), compile_booster(text, fast=False)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as model:
            model.write(text)
            model.flush()
            figures[str(size)] = {
                "scoring": scoring(booster, fast, plain, X, SIZE_SAMPLE),
                "peers": peers(pythons, model.name, X[:SIZE_SAMPLE], "scores"),
            }
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


def threads(trees: CompiledTrees, X: Any) -> dict[str, dict[str, float]]:
    """Compare two threads with one, in the time of the wall clock and of the processor.

    The least of the turns counts: other work on the machine only ever adds to it.
    """
    part = X[: 4 * EXPLAINED]
    works: dict[str, Callable[[int], Any]] = {
        "scores": lambda count: trees.raw_score(X, threads=count),
        "explanations": lambda count: trees.contributions(part, threads=count),
    }
    figures = {}
    for name, work in works.items():
        walls: dict[int, list[float]] = {1: [], 2: []}
        spent: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(2 * TURNS):
            for count in (1, 2):
                wall, cpu = time.perf_counter(), time.process_time()
                work(count)
                spent[count].append(time.process_time() - cpu)
                walls[count].append(time.perf_counter() - wall)
        figures[name] = {
            "faster_by_wall": min(walls[1]) / min(walls[2]),
            "cpu_against_one": min(spent[2]) / min(spent[1]),
            "faster_on_two_idle_cores": 2 * min(spent[1]) / min(spent[2]),
        }
    return figures


def arrow_memory(trees: CompiledTrees, X: Any) -> dict[str, float]:
    """Measure the memory that scoring a table of Arrow takes, beside its scores."""
    import pyarrow as pa

    columns = [pa.array(column) for column in np.nan_to_num(X).T]
    table = pa.Table.from_arrays(columns, list(trees.feature_names))
    tracemalloc.start()
    scores = trees.raw_score(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"table_bytes": table.nbytes, "peak_bytes_beside_scores": peak - scores.nbytes}


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


def peers(pythons: list[str], path: str, X: Any, kinds: str) -> dict[str, Any]:
    """Ask each environment for the peers of some kinds that it has."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npy"
        np.save(rows, X[:SAMPLE])
        for python in [sys.executable, *pythons]:
            script = str(Path(__file__).with_name("tree_peers.py"))
            done = subprocess.run(
                [python, script, path, str(rows), kinds], capture_output=True, text=True, check=True
            )
            found |= json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", action="append", default=[], metavar="PYTHON")
    parser.add_argument("--rows", type=int, default=MANY)
    parser.add_argument(
        "--peer-kinds",
        default="scores,compiles,explains",
        help="leave out 'compiles' where compilers take too long",
    )
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
            "threads": threads(fast, X),
            "arrow": arrow_memory(fast, X),
            "starting": starting(path, text),
            "sizes": sizes(options.rows // 4, options.peer_python),
            "peers": peers(options.peer_python, path, X, options.peer_kinds),
        }
    section = describe(results)
    publish("trees", results, section)
    print(section)


if __name__ == "__main__":
    main()
