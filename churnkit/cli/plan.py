"""``churnkit plan``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.asked import Asked
from churnkit.cli.options import AsJson, AsOf, Customers, ModelName, RawTables, Sql, load_model
from churnkit.cli.output import print_json, print_next, print_table, say

__all__ = ["plan"]


def plan(
    customers: Customers = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file for the plan.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="The most that all actions may cost together.")
    ] = None,
    model: ModelName = None,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Choose for each customer the action that pays most, or none, within a budget."""
    from churnkit.batch import plan as run

    asked = Asked(customers, sql, tuple(tables or ()), as_of)
    opened = asked.open()
    loaded = load_model(model)
    with asked.rows(opened, loaded) as source:
        planned, report = run(source, loaded, output=output, budget=budget)
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
    none = planned["action"].null_count
    say(
        f"cost {report.cost:,.0f}, expected gain {report.expected_gain:,.0f}; {none:,} customers "
        "get no action"
    )
    if report.invalid:
        say(f"{report.invalid:,} rows break the contract; see the column 'problem'")
    if output is not None:
        say(f"the plan is in {output}")
        if as_of is None and sql is None:
            print_next(f"churnkit explain {asked} --model {loaded.name}")
