"""``churnkit monitor``."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.customer_input import CustomerInput, name_sheet, trained_sheet
from churnkit.cli.exit_codes import ALARM
from churnkit.cli.options import (
    AsJson,
    Customers,
    ModelName,
    RawTables,
    Sql,
    find_recipe,
    load_model,
)
from churnkit.cli.output import print_json, print_next, print_status, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from churnkit.bundle.model import RetentionModel
    from churnkit.monitoring import MonitorReport

__all__ = ["monitor"]

_MAX_COLUMNS = 8


def monitor(
    customers: Customers = None,
    model: ModelName = None,
    sql: Sql = None,
    labeled: Annotated[
        str | None,
        typer.Option(help="Earlier customers with their label: a table as for CUSTOMERS."),
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option(help="Journal, as a SQLAlchemy URL: customers with an action are left out."),
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            help="Current date (UTC), for the freshness check, and the date at which rows are built "
            "from raw tables."
        ),
    ] = None,
    tables: RawTables = None,
    every_days: Annotated[
        float, typer.Option(min=0.0, help="Days between deliveries of new rows.")
    ] = 31.0,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="On an alarm, train the model's recipe; the version is promoted if it passes.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check data and predictions for drift, stale or broken rows, and wrong forecasts.

    Exit code 3 on an alarm.
    """
    from churnkit.core.io.table_sources import open_rows, open_source, read_all
    from churnkit.journal import Journal
    from churnkit.monitoring import monitor as check_model

    loaded = load_model(model)
    contract = loaded.contract
    needed = [*contract.required("predict"), *contract.optional("predict"), contract.label]
    columns = [column.name for column in needed if column is not None]
    earlier = None
    if labeled is not None:
        sheet = name_sheet(labeled, contract, "train", known=trained_sheet(loaded))
        earlier = read_all(open_source(sheet, entity=contract.entity.name), columns=columns)
    with (
        _current_customers(loaded, customers, tables, as_of, sql) as current,
        nullcontext() if journal is None else Journal.open(journal) as opened,
    ):
        report = check_model(
            loaded,
            open_rows(current),
            labeled=earlier,
            journal=opened,
            as_of=as_of,
            every_days=every_days,
        )
    retrained = _retrain(loaded.name) if retrain and report.alarm else None
    if as_json:
        print_json({**report.to_dict(), "retrained": retrained})
    else:
        _print_tables(report)
    _print_summary(report)
    if report.alarm:
        if retrained is None:
            print_next(f"churnkit train {loaded.name}")
        raise typer.Exit(ALARM)
    if customers is not None and not tables:
        print_next(f"churnkit score {quote(customers)} -o scores.csv --model {loaded.name}")


@contextmanager
def _current_customers(
    model: RetentionModel,
    customers: str | None,
    tables: list[str] | None,
    as_of: datetime | None,
    sql: str | None,
) -> Iterator[Any]:
    """Yield the source of the customers' rows, built from raw tables if these are named.

    With a date, a source has raw tables if it holds tables that the model's timeline reads.
    """
    date = None if as_of is None else f"{as_of:%Y-%m-%d}"
    source = CustomerInput(customers, sql, tables, date)
    if not source.has_raw_tables(model):
        rows = CustomerInput(customers, sql, tables, date if source.has_dated_rows(model) else None)
        with rows.rows(rows.open(), model) as given:
            yield given
        return
    from churnkit.batch import snapshot_file
    from churnkit.core.io.table_sources import open_source

    opened = source.name_table(source.open(), model.contents.timeline)
    with snapshot_file(model, opened, as_of=date or "") as file:
        yield open_source(str(file))


def _retrain(name: str) -> dict[str, Any]:
    from churnkit.pipeline import load_recipe, train

    result = train(load_recipe(find_recipe(name)), progress=print_status)
    verdict = "is the champion" if result.promoted else "did not pass its gate, NOT promoted"
    print_status(f"version {result.version} {verdict}")
    return result.to_dict()


def _print_tables(report: MonitorReport) -> None:
    print_table(
        f"Findings: {report.model} on {report.rows:,} customers",
        ("Code", "Where", "Finding", "Alarm"),
        [
            (finding.code, finding.subject, finding.message, "ALARM" if finding.alarm else "")
            for finding in report.findings
        ]
        or [("", "", "none", "")],
    )
    print_table(
        "Columns with the largest drift",
        ("Column", "PSI", "KS", "Missing in training", "Missing now"),
        [
            (
                column.name,
                f"{column.psi:.3f}",
                f"{column.ks:.3f}",
                f"{column.missing_before:.1%}",
                f"{column.missing_now:.1%}",
            )
            for column in report.drift[:_MAX_COLUMNS]
        ],
    )


def _print_summary(report: MonitorReport) -> None:
    if report.invalid:
        print_status(f"{report.invalid:,} of {report.rows:,} rows violate the contract")
    if report.estimate is not None:
        estimate = report.estimate
        print_status(
            f"estimated for these customers: churn rate {estimate.churn_rate}, AUC {estimate.auc}"
        )
    if report.realized is not None:
        realized = report.realized
        print_status(
            f"of {realized.rows:,} earlier customers {realized.churned:,.0f} churned, "
            f"{realized.expected:,.0f} expected; AUC {realized.auc}, estimated "
            f"{realized.estimate.auc}"
        )
    if report.left_out:
        print_status(f"{report.left_out:,} customers with an action were left out")
    print_status(
        "ALARM: review the findings before using this model" if report.alarm else "no alarm"
    )
