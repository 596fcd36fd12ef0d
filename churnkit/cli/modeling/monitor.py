"""``churnkit monitor``."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.options import AsJson, ModelName, Sql, find_recipe, load_model
from churnkit.cli.output import print_json, print_next, print_status, print_table

if TYPE_CHECKING:
    from churnkit.monitoring import MonitorReport

__all__ = ["monitor"]

_MAX_COLUMNS = 8


def monitor(
    customers: Annotated[
        str,
        typer.Argument(
            help="Current customers: a file, a folder or glob pattern of files, a URL of an object "
            "store, download or database, or - for standard input. Read in batches."
        ),
    ],
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
        datetime | None, typer.Option(help="Current date (UTC), for the freshness check.")
    ] = None,
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

    Exit code 1 on an alarm.
    """
    from churnkit.core.io.table_sources import open_rows, open_source, read_all
    from churnkit.journal import Journal
    from churnkit.monitoring import monitor as check_model

    loaded = load_model(model)
    table = open_rows(open_source(customers, sql=sql))
    earlier = None if labeled is None else read_all(open_source(labeled))
    with nullcontext() if journal is None else Journal.open(journal) as opened:
        report = check_model(
            loaded, table, labeled=earlier, journal=opened, as_of=as_of, every_days=every_days
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
        raise typer.Exit(1)
    print_next(f"churnkit score {quote(str(customers))} -o scores.csv --model {loaded.name}")


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
