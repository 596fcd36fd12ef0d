"""``churnkit rank``."""

from __future__ import annotations

from pathlib import Path
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
    bandit_folder,
    check_invalid,
    load_model,
)
from churnkit.cli.output import print_next, print_result, print_status

if TYPE_CHECKING:
    from churnkit.bundle.model import RetentionModel

__all__ = ["rank"]


def rank(
    customers: Customers = None,
    output: Output = None,
    journal: OptionalJournal = None,
    period: Period = None,
    day: Day = None,
    budget: Budget = None,
    bandit: Annotated[
        Path | None,
        typer.Option(
            envvar="CHURNKIT_BANDIT",
            file_okay=False,
            help="Folder of bandit states, from churnkit learn. Default: the project's.",
        ),
    ] = None,
    model: ModelName = None,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    max_invalid: MaxInvalid = 0.5,
    as_json: AsJson = False,
) -> None:
    """Rank a ranking's options for each customer, with the newest bandit state.

    With a journal each customer gets one list per period; a second run gives the same lists. A
    budget needs a ranking with a reward_value.
    """
    from churnkit.batch import rank as rank_customers
    from churnkit.batch.io.outputs import parse_output
    from churnkit.core.io.locations import STANDARD_STREAM

    source = CustomerInput(customers, sql, tables, as_of)
    opened = source.open()
    loaded = _with_newest_bandit(load_model(model), bandit)
    with (
        source.rows(opened, loaded, output=output) as rows,
        open_decision_period(
            loaded, journal=journal, period=period, day=day, as_of=as_of
        ) as decision_period,
    ):
        _, report = rank_customers(
            rows, loaded, output=output, period=decision_period, budget=budget
        )
    if output != STANDARD_STREAM:
        print_result(
            report.to_dict(),
            f"Lists for {report.rows:,} customers",
            ("Option", "Shown", "Shown first"),
            [
                (option["option"], f"{option['shown']:,}", f"{option['first']:,}")
                for option in report.options
            ],
            as_json=as_json,
        )
    print_status(f"{report.rows - report.shown:,} customers get an empty list")
    if report.budget_price is not None:
        print_status(
            f"the lists cost {report.cost:,.2f} of the budget; one more unit of it would bring "
            f"{report.budget_price:,.2f} net"
        )
    print_row_counts(report)
    if output is not None:
        print_status(f"the lists were written to {parse_output(output)}")
    check_invalid(report.rows, report.invalid, max_invalid)
    if decision_period is not None and decision_period.journal is not None:
        print_next(f"churnkit learn --model {loaded.name}")


def _with_newest_bandit(model: RetentionModel, folder: Path | None) -> RetentionModel:
    from churnkit.bundle.parts.bandit_versions import newest_state, read_state

    ranking = model.compiled_ranking
    path = newest_state(folder or bandit_folder(model.name))
    if path is None:
        print_status("no bandit state yet: options are ranked by the model's initial state")
        return model
    print_status(f"options are ranked by {path}")
    return model.with_bandit(read_state(path, ranking).bandit)
