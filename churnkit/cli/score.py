"""``churnkit score``."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.options import AsJson, Customers, ModelName, Sql, load_model
from churnkit.cli.output import counting, print_json, print_next, say

__all__ = ["score"]


def score(
    customers: Customers,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .parquet file; default: CSV to stdout."),
    ] = None,
    model: ModelName = None,
    reasons: Annotated[
        int, typer.Option(min=0, max=20, help="How many reasons each customer gets.")
    ] = 0,
    sql: Sql = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from what an interrupted run of this job finished."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give each customer of a file a probability of leaving."""
    from churnkit.batch import open_source, read_table
    from churnkit.batch import score as run

    source = open_source(customers, sql=sql)
    loaded = load_model(model)
    rows = getattr(source, "rows", None)
    with tempfile.TemporaryDirectory() as aside, counting("scoring", rows) as progress:
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
        asked = f" --sql {shlex.quote(sql)}" if sql else ""
        print_next(
            f"churnkit plan {shlex.quote(customers)}{asked} -o plan.csv --model {loaded.name}"
        )
