"""``churnkit plan``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.customer_input import Asked
from churnkit.cli.decision_period import open_decision_period
from churnkit.cli.options import (
    AsJson,
    AsOf,
    Customers,
    Day,
    Journalled,
    ModelName,
    Period,
    RawTables,
    Sql,
    load_model,
)
from churnkit.cli.output import print_json, print_next, print_table, say

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.batch import PlanReport

__all__ = ["plan"]


def plan(
    customers: Customers = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file for the plan.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="The most that all actions may cost together.")
    ] = None,
    journal: Journalled = None,
    period: Period = None,
    day: Day = None,
    prices: Annotated[
        Path | None, typer.Option(help="A .json file for shadow prices, for a service.")
    ] = None,
    tree: Annotated[bool, typer.Option("--tree", help="Sum up who gets what in a tree.")] = False,
    model: ModelName = None,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Choose for each customer the action that pays most, or none, within a budget.

    With a journal each customer is decided on once a period; a second run gives the same plan.
    """
    from churnkit.batch import plan as run

    asked = Asked(customers, sql, tuple(tables or ()), as_of)
    opened = asked.open()
    loaded = load_model(model)
    with (
        asked.rows(opened, loaded) as source,
        open_decision_period(
            loaded, journal=journal, period=period, day=day, as_of=as_of
        ) as run_period,
    ):
        planned, report = run(
            source,
            loaded,
            output=output,
            budget=budget,
            period=run_period,
            prices=prices,
            tree=tree,
        )
    _show(planned, report, as_json=as_json)
    if output is not None:
        say(f"the plan is in {output}")
        if as_of is None and sql is None:
            print_next(f"churnkit explain {asked} --model {loaded.name}")


def _show(planned: pa.Table, report: PlanReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        print_table(
            f"a plan for {report.rows:,} customers",
            ("action", "customers", "cost", "expected gain", "from", "to"),
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
        )
        for line in report.tree:
            typer.echo(line)
    none = planned["action"].null_count
    say(
        f"cost {report.cost:,.0f}, expected gain {report.expected_gain:,.0f}; {none:,} customers "
        "get no action"
    )
    if report.invalid:
        say(f"{report.invalid:,} rows break the contract; see the column 'problem'")
    if report.before:
        say(f"{report.before:,} customers had a decision for the period already; it stands")
