"""One row scored by an extension in C, beside numba's kernel and NumPy.

Run ``python -m benchmarks.row_extension``; it needs a C compiler and no data. It answers how much
a compiled extension in the wheel would gain: the same algorithm, called without numba's or ctypes'
part of a call, with the stable interface of Python (METH_FASTCALL). CPU time, medians of turns.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.publish import machine, publish
from benchmarks.tree_models import make_rows, train
from churnkit.trees import CompiledTrees, compile_booster
from churnkit.trees.engines.kernel_arguments import pack_row_arguments

if TYPE_CHECKING:
    from collections.abc import Callable

TURNS, ROWS = 15, 2000
FLAGS = ("-O3", "-shared", "-fPIC", "-ffp-contract=off", "-Wall")

FRESH = """
import sys, time
import numpy
start = time.process_time()
from churnkit.trees import compile_booster
trees = compile_booster(open(sys.argv[1]).read(), fast=sys.argv[2] == "numba")
row = [0.0] * 30
if sys.argv[2] == "c":
    pause = time.process_time()
    from benchmarks.row_extension import prepare
    start += time.process_time() - pause
    score = prepare(trees, sys.argv[3])
else:
    score = trees.predict_row
score(row)
print(time.process_time() - start)
"""


def build(folder: str) -> str:
    """Compile the extension with the compiler of this machine."""
    library = str(Path(folder) / "row_extension.so")
    include = f"-I{sysconfig.get_paths()['include']}"
    source = str(Path(__file__).with_suffix(".c"))
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, *FLAGS, include, source, "-o", library], check=True)
    return library


def prepare(trees: CompiledTrees, library: str) -> Callable[[list[float]], float]:
    """Load the extension and give it the arrays of a model, which must outlive its calls."""
    spec = importlib.util.spec_from_file_location("row_extension", library)
    if spec is None or spec.loader is None:
        raise ImportError(library)
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = pack_row_arguments(trees.layout)
    scratch = np.empty(arguments.scratch_size, np.uint64)
    parts = (arguments.integers, arguments.numbers, arguments.words)
    module.parts = (*parts, np.zeros(trees.n_features), scratch)
    module.prepare(*(part.ctypes.data for part in module.parts), trees.n_features)
    score: Callable[[list[float]], float] = module.score
    return score


def rows_one_by_one(trees: CompiledTrees, plain: CompiledTrees, library: str) -> dict[str, float]:
    """Measure the seconds of a row; first hold that all scores are the same bits."""
    rows = make_rows(ROWS, 5).tolist()
    trees.warm_up()
    scorers: dict[str, Callable[[list[float]], float]] = {
        "extension in C": prepare(trees, library),
        "churnkit with numba, `raw_score_row`": trees.raw_score_row,
        "churnkit with numba, `predict_row`": trees.predict_row,
        "churnkit, numpy alone": plain.predict_row,
    }
    expected = plain.raw_score(rows)
    spent: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(TURNS):
        for name, score in scorers.items():
            start = time.process_time()
            scores = [score(row) for row in rows]
            spent[name].append((time.process_time() - start) / ROWS)
            np.testing.assert_array_equal(scores, expected)
    return {name: statistics.median(turns) for name, turns in spent.items()}


def first_rows(path: str, library: str) -> dict[str, float]:
    """Measure a fresh process after ``import numpy``, from the model's text to its first score."""
    names = {"c": "extension in C", "numba": "churnkit with numba", "plain": "numpy alone"}
    figures = {}
    for kind, name in names.items():
        turns = []
        for _ in range(3):
            command = [sys.executable, "-c", FRESH, path, kind, library]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            turns.append(float(json.loads(done.stdout)))
        figures[name] = statistics.median(turns)
    return figures


def describe(results: dict[str, Any]) -> str:
    """Write the figures as Markdown."""
    rows, first = results["rows"], results["first_rows"]
    return "\n".join(
        [
            "## One row by an extension in C",
            "",
            (
                f"`{results['command']}`: the model of the benchmark above, a list of 30 floats, CPU "
                f"time, medians of {TURNS} turns, on {results['machine']['processor']}. All scores are "
                f"the same bits. The extension is {results['library_bytes'] / 1e3:.0f} kB for this "
                "processor and system alone."
            ),
            "",
            "| one row | microseconds |",
            "|---|---:|",
            *(f"| {name} | {1e6 * seconds:.1f} |" for name, seconds in rows.items()),
            "",
            "| fresh process after `import numpy`, from text to first row | CPU ms |",
            "|---|---:|",
            *(f"| {name} | {1e3 * seconds:.0f} |" for name, seconds in first.items()),
        ]
    )


def main() -> None:
    """Measure and publish."""
    text = train().model_to_string()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.txt"
        path.write_text(text, encoding="utf-8")
        library = build(folder)
        fast, plain = compile_booster(text, fast=True), compile_booster(text, fast=False)
        results = {
            "command": "python -m benchmarks.row_extension",
            "machine": machine("numba", "numpy"),
            "library_bytes": Path(library).stat().st_size,
            "rows": rows_one_by_one(fast, plain, library),
            "first_rows": first_rows(str(path), library),
        }
    section = describe(results)
    publish("row_extension", results, section)
    print(section)


if __name__ == "__main__":
    main()
