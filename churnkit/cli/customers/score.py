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
    RawTables,
    Sql,
    check_invalid,
    load_model,
)
from churnkit.cli.output import print_json, print_next, print_status, progress_bar

if TYPE_CHECKING:
    from churnkit.bundle.model import RetentionModel

__all__ = ["score"]


def score(
    customers: Customers = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv or .parquet file. Default: CSV on stdout."),
    ] = None,
    model: ModelName = None,
    reasons: Annotated[
        int, typer.Option(min=0, max=20, help="Number of reasons per customer.")
    ] = 0,
    sql: Sql = None,
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
    from churnkit.core.io.table_file import read_table

    source = CustomerInput(customers, sql, tables, as_of)
    opened = source.open()
    loaded = load_model(model)
    with (
        source.rows(opened, loaded) as rows,
        tempfile.TemporaryDirectory() as folder,
        progress_bar("scoring", getattr(rows, "rows", None)) as progress,
    ):
        target = output or Path(folder) / f"scores.{'parquet' if as_json else 'csv'}"
        try:
            report = score_customers(
                rows, target, loaded, reasons=reasons, resume=resume, progress=progress
            )
        except BaseException:
            if output is not None and output.with_name(f".{output.name}.parts").exists():
                print_status(f"finished chunks are kept next to {output}: add --resume to continue")
            raise
        if output is None and as_json:
            scores = read_table(target).to_pylist()
            print_json({"rows": report.rows, "invalid": report.invalid, "scores": scores})
        elif output is None:
            with target.open(encoding="utf-8", newline="") as scored:
                shutil.copyfileobj(scored, sys.stdout)
    if as_json and output is not None:
        print_json(report.to_dict())
    print_status(f"{report.rows:,} customers scored by {loaded.name}")
    if report.invalid:
        reference = f"; see {report.invalid_output}" if output is not None else ""
        print_status(
            f"{report.invalid:,} rows violate the contract and have no probability{reference}"
        )
    if output is not None:
        print_status(f"scores were written to {output}")
    check_invalid(report.rows, report.invalid, max_invalid)
    if output is not None:
        _print_next(source, loaded)


def _print_next(source: CustomerInput, model: RetentionModel) -> None:
    """Suggest a plan if the model has actions, and reasons otherwise."""
    is_file = source.sql is None and source.as_of is None
    if model.contents.catalogue is not None:
        print_next(f"churnkit plan {source} -o plan.csv --model {model.name}")
    elif model.contents.ranker is not None:
        print_next(f"churnkit rank {source} -o ranking.csv --model {model.name}")
    elif is_file:
        print_next(f"churnkit explain {source} --model {model.name}")
