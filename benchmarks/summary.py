"""The figures of the README and of docs/trees.md, taken from what the benchmarks wrote.

Run ``python -m benchmarks.summary`` after a benchmark.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PLANNED = 1_000_000
OWN = "churnkit, balanced"
# A rule with more than this share of the oracle's gain is the mark to compare plans with.
_RULE_SUFFICES = 0.5
START, END = "<!-- figures:start -->", "<!-- figures:end -->"


def results(name: str) -> Any:
    return json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))


def lines() -> list[str]:
    predict, telco, allocate = results("predict"), results("telco"), results("allocate")
    one, many = predict["one_row_seconds"], predict["many_rows_seconds"]
    pipeline = one["scikit-learn pipeline on pandas"]
    table = telco["tables"]["Telco"]["peers"]["churnkit, balanced"]
    plan = next(
        run
        for run in allocate["runs"]
        if run["customers"] == PLANNED and run["solver"] == "churnkit, numpy"
    )
    trees, batch, models = results("trees"), results("batch"), results("models")
    file = str(max(map(int, batch["own"])))
    tuned = "LightGBM, 100 Optuna trials"
    contests = [
        f"{title}: AUC {_mean_auc(found, OWN, tuned):.4f} against "
        f"{_mean_auc(found, tuned, tuned):.4f}, "
        f"{found['peers'][OWN]['cpu_seconds_a_fold']:.0f} CPU-seconds a fold against "
        f"{found['peers'][tuned]['cpu_seconds_a_fold']:.0f}"
        for title, found in models["tables"].items()
        if tuned in found["peers"]
    ]
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
            f"| a file of {int(file):,} rows, Parquet to Parquet "
            f"| {int(file) / batch['own'][file]['seconds']:,.0f} rows a CPU-second in "
            f"{batch['own'][file]['above_mb']:.0f} MB beside the model |"
        ),
        (
            f"| LightGBM's trees, the same bits | scores {_times(trees['scoring'])}, exact SHAP "
            f"{_times(trees['explaining']['figures'])} times as fast as LightGBM |"
        ),
        f"| the default model beside LightGBM tuned by 100 trials | {'; '.join(contests)} |",
        (
            f"| Telco, default model, 5 stratified folds | AUC {table['auc']['mean']:.4f}, log loss "
            f"{table['log_loss']['mean']:.4f}, calibration error (10 equal bins) "
            f"{table['calibration_error_pooled']:.4f} over all folds together and "
            f"{table['calibration_error']['mean']:.4f} in the mean of folds, where chance makes "
            f"{table['calibration_error_of_a_perfect_model']['mean_of_folds']:.4f} of a perfect "
            "model |"
        ),
        (
            f"| a plan for {plan['customers']:,} customers, {allocate['actions']} actions, a "
            f"budget and capacities | {plan['cpu_seconds']:.1f} CPU-seconds, at most "
            f"{plan['gap']:.0e} below the best possible |"
        ),
        *_plans(results("plan")["runs"]),
    ]


def _plans(kinds: Any) -> list[str]:
    """Compare true gains of plans with a two-line rule where effects go with risk, else the oracle."""
    rule, oracle = [], []
    for kind, runs in kinds.items():
        gain = sum(run["true"] for run in runs.values())
        rules = [
            sum(run["rules"][name] for run in runs.values())
            for name in next(iter(runs.values()))["rules"]
        ]
        best = sum(run["oracle"] for run in runs.values())
        if best <= 0:
            continue
        if max(rules) > _RULE_SUFFICES * best:
            rule.append(f"{kind} {gain / max(rules):.2f}")
        else:
            oracle.append(f"{kind} {gain / best:.2f}")
    return [
        (
            "| plans on simulated businesses: true gain / that of mean relative effect x risk x value "
            f"- cost | {', '.join(rule)} |"
        ),
        f"| true gain / that of an oracle, where effects do not go with risk | {', '.join(oracle)} |",
    ]


def _mean_auc(found: Any, name: str, peer: str) -> float:
    """Return a model's mean AUC over the folds that a peer ran on."""
    by_fold = found["peers"][name]["auc"]["by_fold"][: found["peers"][peer]["folds"]]
    return float(sum(by_fold) / len(by_fold))


def _times(figures: Any) -> str:
    return f"{figures['churnkit with numba']['against_lightgbm']:.1f}"


def tree_lines() -> list[str]:
    """Compare scoring, explaining and starting with LightGBM."""
    trees = results("trees")
    scores, explained = trees["scoring"], trees["explaining"]["figures"]
    rows, start = trees["single_rows"], trees["starting"]
    fast, plain = "churnkit with numba", "churnkit, numpy alone"

    def rates(figures: Any, *names: str) -> str:
        return " | ".join(f"{figures[name]['items_a_cpu_second']:,.0f}" for name in names)

    def micros(*names: str) -> str:
        return " | ".join(f"{1e6 * rows[name]['seconds_an_item']:.1f}" for name in names)

    first = f"{1e3 * start['first_ever_score_cpu_seconds']:.0f}"
    return [
        "| 300 trees of 31 leaves, one thread | LightGBM | churnkit with numba | numpy alone |",
        "|---|---:|---:|---:|",
        f"| scores a CPU-second | {rates(scores, 'Booster.predict', fast, plain)} |",
        (
            "| explanations a CPU-second | "
            f"{rates(explained, 'Booster.predict(pred_contrib=True)', fast, plain)} |"
        ),
        f"| one row, microseconds | {micros('Booster.predict', fast, plain)} |",
        f"| first 5,000 scores after installation, CPU ms | | {first} | {first} |",
    ]


def _write(page: Path, body: list[str]) -> None:
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(START, 1)
    after = rest.split(END, 1)[1]
    table = "\n".join(body)
    page.write_text(f"{before}{START}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    _write(HERE.parent / "README.md", lines())
    _write(HERE.parent / "docs" / "trees.md", tree_lines())


if __name__ == "__main__":
    main()
