"""``churnkit score``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.customer_input import Asked
from churnkit.cli.options import AsJson, AsOf, Customers, ModelName, RawTables, Sql, load_model
from churnkit.cli.output import counting, print_json, print_next, say

__all__ = ["score"]


def score(
    customers: Customers = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .parquet file; default: CSV to stdout."),
    ] = None,
    model: ModelName = None,
    reasons: Annotated[
        int, typer.Option(min=0, max=20, help="How many reasons each customer gets.")
    ] = 0,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from what an interrupted run of this job finished."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give each customer of a file a probability of leaving."""
    from churnkit.batch import score as run
    from churnkit.core.io.table_file import read_table

    asked = Asked(customers, sql, tuple(tables or ()), as_of)
    opened = asked.open()
    loaded = load_model(model)
    with (
        asked.rows(opened, loaded) as source,
        tempfile.TemporaryDirectory() as aside,
        counting("scoring", getattr(source, "rows", None)) as progress,
    ):
        target = output or Path(aside) / f"scores.{'parquet' if as_json else 'csv'}"
        try:
            report = run(source, target, loaded, reasons=reasons, resume=resume, progress=progress)
        except BaseException:
            if output is not None and output.with_name(f".{output.name}.parts").exists():
                say(
                    f"what is finished lies beside {output}: the same command with --resume goes on"
                )
            raise
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
        print_next(f"churnkit plan {asked} -o plan.csv --model {loaded.name}")
