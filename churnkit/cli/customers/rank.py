"""``churnkit rank``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.customer_input import Asked
from churnkit.cli.customers.learn import states_of
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
    from churnkit.batch import RankReport
    from churnkit.bundle.model import RetentionModel

__all__ = ["rank"]


def rank(
    customers: Customers = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .csv or .parquet file for the lists.")
    ] = None,
    journal: Journalled = None,
    period: Period = None,
    day: Day = None,
    bandit: Annotated[
        Path | None,
        typer.Option(
            envvar="CHURNKIT_BANDIT",
            file_okay=False,
            help="The folder that churnkit learn writes to. Default: the project's own.",
        ),
    ] = None,
    model: ModelName = None,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Rank a ranking's options for each customer of a file, by what was learned so far.

    With a journal each customer gets one list a period; a second run gives the same lists.
    """
    from churnkit.batch import rank as run

    asked = Asked(customers, sql, tuple(tables or ()), as_of)
    opened = asked.open()
    loaded = _learned(load_model(model), bandit)
    with (
        asked.rows(opened, loaded) as source,
        open_decision_period(
            loaded, journal=journal, period=period, day=day, as_of=as_of
        ) as run_period,
    ):
        _, report = run(source, loaded, output=output, period=run_period)
    _show(report, as_json=as_json)
    if output is not None:
        say(f"the lists are in {output}")
    if run_period is not None and run_period.journal is not None:
        print_next(f"churnkit learn --model {loaded.name}")


def _learned(model: RetentionModel, folder: Path | None) -> RetentionModel:
    """Give the model with the newest state that was learned for it."""
    from churnkit.bundle.parts.bandit_versions import newest_state, read_state

    compiled = model.compiled_ranking
    place = newest_state(folder or states_of(model.name))
    if place is None:
        say("nothing was learned yet: the options are ranked by the model's first state")
        return model
    say(f"the options are ranked by {place}")
    return model.with_bandit(read_state(place, compiled).bandit)


def _show(report: RankReport, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        print_table(
            f"lists for {report.rows:,} customers",
            ("option", "shown", "in the first place"),
            [
                (option["option"], f"{option['shown']:,}", f"{option['first']:,}")
                for option in report.options
            ],
        )
    say(f"{report.rows - report.shown:,} customers are shown nothing")
    if report.invalid:
        say(f"{report.invalid:,} rows break the contract; see the column 'problem'")
    if report.before:
        say(f"{report.before:,} customers had a list for the period already; it stands")
