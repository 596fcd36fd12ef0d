"""``churnkit score``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, load_model
from churnkit.cli.output import counting, print_json, print_next, say

__all__ = ["score"]


def score(
    customers: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .parquet file; default: CSV to stdout."),
    ] = None,
    model: ModelName = None,
    reasons: Annotated[
        int, typer.Option(min=0, max=20, help="How many reasons each customer gets.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Give each customer of a file a probability of leaving."""
    from churnkit.batch import open_table, read_table
    from churnkit.batch import score as run

    table = open_table(customers)
    loaded = load_model(model)
    with tempfile.TemporaryDirectory() as aside, counting("scoring", table.rows) as progress:
        target = output or Path(aside) / f"scores.{'parquet' if as_json else 'csv'}"
        report = run(customers, target, loaded, reasons=reasons, progress=progress)
        if output is None and as_json:
            scores = read_table(target).to_pylist()
            print_json({"rows": report.rows, "invalid": report.invalid, "scores": scores})
        elif output is None:
            with target.open(encoding="utf-8", newline="") as scored:
                shutil.copyfileobj(scored, sys.stdout)
    if as_json and output is not None:
        print_json(report.to_dict())
    say(f"{report.rows:,} customers scored by {loaded.name}")
    if report.invalid:
        kept = f"; see {report.invalid_output}" if output is not None else ""
        say(f"{report.invalid:,} rows break the contract and have no probability{kept}")
    if output is not None:
        say(f"scores are in {output}")
        print_next(f"churnkit plan {customers} -o plan.csv --model {loaded.name}")
