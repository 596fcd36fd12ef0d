"""``churnkit plan``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.customer_input import CustomerInput
from churnkit.cli.decision_period import open_decision_period, print_row_counts
from churnkit.cli.options import (
    AsJson,
    AsOf,
    Budget,
    Customers,
    Day,
    MaxInvalid,
    ModelName,
    OptionalJournal,
    Output,
    Period,
    RawTables,
    Sql,
    check_invalid,
    load_model,
)
from churnkit.cli.output import print_next, print_result, print_status

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.batch import PlanReport

__all__ = ["plan"]


def plan(
    customers: Customers = None,
    output: Output = None,
    budget: Budget = None,
    journal: OptionalJournal = None,
    period: Period = None,
    day: Day = None,
    prices: Annotated[
        Path | None,
        typer.Option(help="A .json file for the shadow prices, which churnkit serve reads."),
    ] = None,
    tree: Annotated[
        bool, typer.Option("--tree", help="Summarize the plan as a decision tree.")
    ] = False,
    model: ModelName = None,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    max_invalid: MaxInvalid = 0.5,
    as_json: AsJson = False,
) -> None:
    """Choose the most profitable action for each customer, or none, within a budget.

    With a journal each customer gets one decision per period; a second run gives the same plan.
    """
    from churnkit.batch import plan as make_plan
    from churnkit.batch.io.outputs import parse_output
    from churnkit.core.io.locations import STANDARD_STREAM

    source = CustomerInput(customers, sql, tables, as_of)
    opened = source.open()
    loaded = load_model(model)
    with (
        source.rows(opened, loaded, output=output) as rows,
        open_decision_period(
            loaded, journal=journal, period=period, day=day, as_of=as_of
        ) as decision_period,
    ):
        planned, report = make_plan(
            rows,
            loaded,
            output=output,
            budget=budget,
            period=decision_period,
            prices=prices,
            tree=tree,
        )
    _print_report(planned, report, as_json=as_json, is_stdout_free=output != STANDARD_STREAM)
    if output is not None:
        print_status(f"the plan was written to {parse_output(output)}")
    check_invalid(report.rows, report.invalid, max_invalid)
    if output is not None and as_of is None and sql is None:
        print_next(f"churnkit explain {quote(str(source))} --model {loaded.name}")


def _print_report(
    planned: pa.Table, report: PlanReport, *, as_json: bool, is_stdout_free: bool
) -> None:
    if is_stdout_free:
        _print_actions(report, as_json=as_json)
    horizons = report.horizons
    if report.at_risk is not None:
        days = horizons.next_days
        print_status(f"{horizons.at_risk_label}: {report.at_risk:,.0f} (churn risk{days})")
    print_status(
        f"{horizons.gain_label}: {report.expected_gain:,.0f}{_range(report)}, net of a cost of "
        f"{report.cost:,.0f}; {planned['action'].null_count:,} customers get no action"
    )
    print_row_counts(report)


def _print_actions(report: PlanReport, *, as_json: bool) -> None:
    print_result(
        report.to_dict(),
        f"Plan for {report.rows:,} customers",
        (
            *("Action", "Customers", "Cost", report.horizons.gain_label),
            *("Lower bound", "Upper bound"),
        ),
        [
            (
                action["action"],
                f"{action['customers']:,}",
                *(
                    f"{action[name]:,.0f}"
                    for name in ("cost", "expected_gain", "gain_low", "gain_high")
                ),
            )
            for action in report.actions
        ],
        as_json=as_json,
    )
    if not as_json:
        for line in report.tree:
            typer.echo(line)


def _range(report: PlanReport) -> str:
    interval = report.gain_interval
    return "" if interval is None else f" ({interval.low:,.0f} to {interval.high:,.0f})"
