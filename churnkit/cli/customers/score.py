"""``churnkit score``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.customer_input import CustomerInput
from churnkit.cli.options import (
    AsJson,
    AsOf,
    Customers,
    MaxInvalid,
    ModelName,
    Output,
    RawTables,
    Sql,
    check_invalid,
    load_model,
)
from churnkit.cli.output import print_json, print_next, print_status, progress_bar

if TYPE_CHECKING:
    from churnkit.batch import ScoreReport
    from churnkit.bundle.model import RetentionModel

__all__ = ["score"]


def score(
    customers: Customers = None,
    output: Output = None,
    model: ModelName = None,
    reasons: Annotated[
        int, typer.Option(min=0, max=20, help="Number of reasons per customer.")
    ] = 0,
    intervals: Annotated[
        bool,
        typer.Option(
            "--intervals",
            help="Add an interval that holds each probability, often as one of its ends, and the "
            "churn rate of tested customers with similar scores.",
        ),
    ] = False,
    sql: Sql = None,
    to_sql: Annotated[
        str | None,
        typer.Option(
            "--to-sql",
            metavar="DIALECT",
            help="Print the model as one SQL statement instead of scoring: duckdb, postgres, "
            "snowflake, bigquery or databricks. CUSTOMERS is then the name of a table, or --sql a "
            "query.",
        ),
    ] = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue an interrupted run of the same command."),
    ] = False,
    max_invalid: MaxInvalid = 0.5,
    as_json: AsJson = False,
) -> None:
    """Predict each customer's churn probability."""
    from churnkit.batch import score as score_customers
    from churnkit.batch.io.checkpoints import unfinished_folder
    from churnkit.batch.io.outputs import parse_output
    from churnkit.core.io.locations import STANDARD_STREAM
    from churnkit.core.io.table_sources import read_table

    if to_sql is not None:
        _print_statement(to_sql, model, table=customers, query=sql, intervals=intervals)
        return
    source = CustomerInput(customers, sql, tables, as_of)
    opened = source.open()
    target = None if output == STANDARD_STREAM else output
    loaded = load_model(model)
    with (
        source.rows(opened, loaded, output=output) as rows,
        tempfile.TemporaryDirectory() as folder,
        progress_bar("scoring", getattr(rows, "rows", None)) as progress,
    ):
        scores = Path(folder) / f"scores.{'parquet' if as_json else 'csv'}"
        try:
            report = score_customers(
                rows,
                target or scores,
                loaded,
                reasons=reasons,
                intervals=intervals,
                resume=resume,
                progress=progress,
            )
        except BaseException:
            if target is not None and unfinished_folder(target).exists():
                print_status("finished chunks are kept: add --resume to continue")
            raise
        if target is None and as_json:
            records = read_table(scores).to_pylist()
            print_json({"rows": report.rows, "invalid": report.invalid, "scores": records})
        elif target is None:
            with scores.open(encoding="utf-8", newline="") as scored:
                shutil.copyfileobj(scored, sys.stdout)
    if as_json and target is not None:
        print_json(report.to_dict())
    print_status(f"{report.rows:,} customers scored by {loaded.name}")
    _print_notes(report, is_stored=target is not None)
    if target is not None:
        print_status(f"scores were written to {parse_output(target)}")
    check_invalid(report.rows, report.invalid, max_invalid)
    if target is not None:
        _print_next(source, loaded)


def _print_notes(report: ScoreReport, *, is_stored: bool) -> None:
    """Print how many rows are invalid and why, and which columns differ from those of training."""
    if report.invalid:
        reference = f"; see {report.invalid_output}" if is_stored else ""
        print_status(
            f"{report.invalid:,} rows violate the contract and have no probability{reference}"
        )
    for note in report.notes:
        print_status(note)


def _print_statement(
    dialect: str, model: str | None, *, table: str | None, query: str | None, intervals: bool
) -> None:
    """Print the statement that scores customers inside a database."""
    statement = load_model(model).to_sql(
        dialect, table=table or "customers", query=query, intervals=intervals
    )
    sys.stdout.write(statement)
    print_status(f"{len(statement):,} characters of SQL for {dialect} were written")


def _print_next(source: CustomerInput, model: RetentionModel) -> None:
    """Suggest a plan if the model has actions, and reasons otherwise."""
    is_file = source.sql is None and source.as_of is None
    if model.contents.catalogue is not None:
        print_next(f"churnkit plan {source} -o plan.csv --model {model.name}")
    elif model.contents.ranker is not None:
        print_next(f"churnkit rank {source} -o ranking.csv --model {model.name}")
    elif is_file:
        print_next(f"churnkit explain {source} --model {model.name}")
