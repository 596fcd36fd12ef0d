"""The figures of the README: taken from what the benchmarks wrote, never typed.

Run ``python -m benchmarks.summary`` after a benchmark.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START, END = "<!-- figures:start -->", "<!-- figures:end -->"


def results(name: str) -> Any:
    return json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))


def lines() -> list[str]:
    predict, telco, allocate = results("predict"), results("telco"), results("allocate")
    one, many = predict["one_row_seconds"], predict["many_rows_seconds"]
    pipeline = one["scikit-learn pipeline on pandas"]
    table = telco["tables"]["Telco"]["peers"]["churnkit, balanced"]
    largest = allocate["runs"][-1]
    return [
        "| what | measured |",
        "|---|---|",
        (
            f"| one row, checked, encoded and scored ({predict['trees']} trees) "
            f"| {1e6 * one['churnkit']:.0f} microseconds; Booster.predict on a ready row "
            f"{1e6 * one['Booster.predict']:.0f}, a scikit-learn pipeline on pandas "
            f"{1e6 * pipeline:,.0f} |"
        ),
        (
            f"| a table, the same | {predict['rows'] / many['churnkit']:,.0f} rows a CPU-second; "
            f"Booster.predict on a ready matrix {predict['rows'] / many['Booster.predict']:,.0f} |"
        ),
        (
            f"| Telco, default model, 5 stratified folds | AUC {table['auc']['mean']:.4f}, log loss "
            f"{table['log_loss']['mean']:.4f}, calibration error (10 equal bins) "
            f"{table['calibration_error_pooled']:.4f} over all folds together and "
            f"{table['calibration_error']['mean']:.4f} in the mean of folds, where chance makes "
            f"{table['calibration_error_of_a_perfect_model']['mean_of_folds']:.4f} of a perfect "
            "model |"
        ),
        (
            f"| a plan for {largest['customers']:,} customers, {allocate['actions']} actions, a "
            f"budget and capacities | {largest['cpu_seconds']:.1f} CPU-seconds, at most "
            f"{largest['gap']:.0e} below the best possible |"
        ),
    ]


def main() -> None:
    page = HERE.parent / "README.md"
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(START, 1)
    after = rest.split(END, 1)[1]
    body = "\n".join(lines())
    page.write_text(f"{before}{START}\n\n{body}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
