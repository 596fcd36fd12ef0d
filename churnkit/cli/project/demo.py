"""``churnkit demo``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_json, print_next, print_status, print_table

if TYPE_CHECKING:
    from churnkit.pipeline.demo import DemoResult

__all__ = ["demo"]


def demo(
    folder: Annotated[Path, typer.Option(help="Project folder to create.")] = Path("churnkit-demo"),
    budget: Annotated[
        float, typer.Option(min=0.0, help="Maximum total cost of the plan.")
    ] = 20_000.0,
    keep: Annotated[
        bool, typer.Option("--keep/--no-keep", help="Keep the project with its raw tables.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Train, serve, score and plan on a simulated business, in a project folder to explore."""
    from churnkit.pipeline.demo import run_demo

    result = run_demo(folder, budget=budget, progress=print_status)
    if as_json:
        print_json(result.to_dict())
    else:
        _print_tables(result)
    if not keep:
        shutil.rmtree(result.folder)
        print_status(f"finished in {result.seconds:.0f} s; the project was deleted")
        return
    print_status(f"finished in {result.seconds:.0f} s; the project is in {result.folder}")
    print_next(
        f"cd {folder}",
        "churnkit report -o report.html  (every section, from the raw tables)",
        "churnkit console  (customers, tasks and decisions in a browser)",
        "churnkit plan customers.parquet --budget 50000 -o plan.csv",
        "churnkit serve",
        "churnkit train  (after changing training/demo.py)",
    )


def _print_tables(result: DemoResult) -> None:
    metrics = result.training.evaluation.metrics
    baseline = result.training.evaluation.baseline or {}
    horizons = result.plan.horizons
    print_table(
        "Model performance on held-out customers (95% intervals)",
        ("Metric", "Model", "Baseline rule"),
        [
            ("AUC", metrics["auc"], baseline["auc"]),
            ("Log loss", metrics["log_loss"], baseline["log_loss"]),
            ("Calibration error", metrics["calibration_error"], ""),
        ],
    )
    print_table(
        f"Plan for {result.plan.rows:,} customers, budget {result.budget:,.0f}",
        ("Action", "Customers", "Cost", horizons.gain_label),
        [
            (
                action["action"],
                f"{action['customers']:,}",
                f"{action['cost']:,.0f}",
                f"{action['expected_gain']:,.0f}",
            )
            for action in result.plan.actions
        ],
    )
    print_table(
        "Customers with the largest expected gain",
        ("Customer", horizons.risk_label, "Main reason", "Action", horizons.gain_label),
        [
            (
                row["customer"],
                f"{row['churn_probability']:.0%}",
                row["reason"],
                row["action"],
                f"{row['expected_gain']:,.0f}",
            )
            for row in result.to_save
        ],
    )
