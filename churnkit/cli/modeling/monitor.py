"""``churnkit monitor``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.options import AsJson, ModelName, Sql, find_recipe, load_model
from churnkit.cli.output import print_json, print_next, print_table, say

if TYPE_CHECKING:
    from churnkit.monitoring import MonitorReport

__all__ = ["monitor"]

_SHOWN = 8


def monitor(
    customers: Annotated[
        str,
        typer.Argument(
            help="Today's customers: a .csv or .parquet file, a folder or a pattern of them, or "
            "with --sql a DuckDB file or a database's URL."
        ),
    ],
    model: ModelName = None,
    sql: Sql = None,
    labeled: Annotated[
        Path | None,
        typer.Option(help="Earlier customers with the label that is known now: .csv or .parquet."),
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option(help="The journal's URL: customers who had an action are left out."),
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(help="Today, to tell whether the rows are fresh (UTC).")
    ] = None,
    every_days: Annotated[float, typer.Option(min=0.0, help="How often new rows are due.")] = 31.0,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="On alarm run the model's recipe; the new version is promoted only if it wins.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look for drift, stale or broken data, and forecasts that did not come true.

    Exit code 1 on an alarm.
    """
    from churnkit.core.io.table_sources import open_source, read_all
    from churnkit.monitoring import monitor as run

    loaded = load_model(model)
    table = read_all(open_source(customers, sql=sql))
    earlier = None if labeled is None else read_all(open_source(labeled))
    with _opened(journal) as log:
        report = run(
            loaded, table, labeled=earlier, journal=log, as_of=as_of, every_days=every_days
        )
    trained = _retrain(loaded.name) if retrain and report.alarm else None
    if as_json:
        print_json({**report.to_dict(), "retrained": trained})
    else:
        _print(report)
    _tell(report)
    if report.alarm:
        if trained is None:
            print_next(f"churnkit train {loaded.name}")
        raise typer.Exit(1)
    print_next(f"churnkit score {customers} -o scores.csv --model {loaded.name}")


def _opened(url: str | None) -> Any:
    from contextlib import nullcontext

    if url is None:
        return nullcontext()
    from churnkit.journal import Journal

    return Journal.open(url)


def _retrain(name: str) -> dict[str, Any]:
    from churnkit.pipeline import load_recipe, train

    result = train(load_recipe(find_recipe(name)), progress=say)
    verdict = "is the champion now" if result.promoted else "did not win and is NOT promoted"
    say(f"version {result.version} {verdict}")
    return result.to_dict()


def _print(report: MonitorReport) -> None:
    print_table(
        f"{report.model} on {report.rows:,} customers: findings",
        ("code", "where", "what", "alarm"),
        [
            (found.code, found.subject, found.message, "ALARM" if found.alarm else "")
            for found in report.findings
        ]
        or [("", "", "nothing", "")],
    )
    print_table(
        "the columns that moved furthest",
        ("column", "stability index", "KS", "missing before", "missing now"),
        [
            (
                column.name,
                f"{column.psi:.3f}",
                f"{column.ks:.3f}",
                f"{column.missing_before:.1%}",
                f"{column.missing_now:.1%}",
            )
            for column in report.drift[:_SHOWN]
        ],
    )


def _tell(report: MonitorReport) -> None:
    if report.invalid:
        say(f"{report.invalid:,} of {report.rows:,} rows break the contract")
    if report.estimate is not None:
        estimate = report.estimate
        say(f"expected for these customers: churn {estimate.churn_rate}, AUC {estimate.auc}")
    if report.realized is not None:
        realized = report.realized
        say(
            f"of {realized.rows:,} earlier customers {realized.churned:,.0f} churned, "
            f"{realized.expected:,.0f} expected; AUC {realized.auc}, expected "
            f"{realized.estimate.auc}"
        )
    if report.left_out:
        say(f"{report.left_out:,} customers had an action and were left out")
    say("ALARM: look before you use this model on" if report.alarm else "no alarm")
