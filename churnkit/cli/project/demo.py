"""``churnkit demo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_json, print_next, print_table, say

if TYPE_CHECKING:
    from churnkit.pipeline.demo import DemoResult

__all__ = ["demo"]


def demo(
    folder: Annotated[Path, typer.Option(help="The project folder that it makes.")] = Path(
        "churnkit-demo"
    ),
    budget: Annotated[float, typer.Option(min=0.0, help="What the plan may cost.")] = 20_000.0,
    as_json: AsJson = False,
) -> None:
    """Run the whole loop on a simulated business: train, serve, score, plan."""
    from churnkit.pipeline.demo import run_demo

    result = run_demo(folder, budget=budget, progress=say)
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
    say(f"done in {result.seconds:.0f} seconds; everything is in {result.folder}")
    print_next(
        f"cd {folder}",
        "churnkit report -o report.html",
        "churnkit plan customers.parquet --budget 50000 -o plan.csv",
        "churnkit serve",
        "churnkit train  (after changing training/demo.py)",
    )


def _print(result: DemoResult) -> None:
    evaluation = result.training.evaluation
    figures = evaluation.metrics
    rule = (evaluation.baseline or {})["auc"]
    print_table(
        "the model, on customers that it never saw (95% intervals)",
        ("figure", "model", "best single rule"),
        [
            ("AUC", figures["auc"], rule),
            ("log loss", figures["log_loss"], (evaluation.baseline or {})["log_loss"]),
            ("calibration error", figures["calibration_error"], ""),
        ],
    )
    print_table(
        f"the plan for {result.plan.rows:,} customers within {result.budget:,.0f}",
        ("action", "customers", "cost", "expected gain"),
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
        "whom to save first",
        ("customer", "churn", "strongest reason", "action", "expected gain"),
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
