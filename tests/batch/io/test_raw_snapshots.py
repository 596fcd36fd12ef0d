"""Customers of a date that are not eligible: how many, why, and the date at which some are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from churnkit.batch.io.raw_snapshots import snapshot_file
from churnkit.core.io.raw_tables import find_tables
from churnkit.errors import ChurnkitError
from churnkit.timeline import (
    ActiveSubscription,
    ActiveWithin,
    InactivityChurn,
    Last,
    Snapshots,
    Table,
    Timeline,
    Where,
)

# Of five customers two are missing in July and one more in August.
MONTHS = {"2024-06": "abcde", "2024-07": "abc", "2024-08": "ab"}


def model_of(eligible: Any, table: Table) -> Any:
    timeline = Timeline(
        tables=[table],
        features={"fee": Last(table.name, "fee")},
        snapshots=Snapshots(dates=("2024-07-01",)),
        eligible=eligible,
        label=InactivityChurn(table.name, horizon_days=31),
    )
    return SimpleNamespace(name="m", contents=SimpleNamespace(timeline=timeline))


@pytest.fixture
def dumps(tmp_path):
    folder = tmp_path / "dumps"
    folder.mkdir()
    for month, customers in MONTHS.items():
        rows = "".join(f"{customer},9.5\n" for customer in customers)
        (folder / f"customers_{month}.csv").write_text(f"customer_id,fee\n{rows}")
    return find_tables(folder, ())


@pytest.fixture
def model():
    table = Table("customers", "customer_id", happened="file_date", columns={"fee": "number"})
    return model_of(ActiveWithin("customers", days=28), table)


@pytest.mark.parametrize("date", ["2026-11-30", "2024-08-31"])
def test_a_date_without_eligible_customers_is_refused_with_one_that_has_some(model, dumps, date):
    with (
        pytest.raises(ChurnkitError) as caught,
        snapshot_file(model, dumps, as_of=date),
    ):
        pass
    assert str(caught.value) == (
        f"no customer is eligible as of {date}: the newest row of 'customers' is of 2024-08-31, and "
        "eligible customers need a row in the 28 days before --as-of; use --as-of 2024-09-01, the "
        "day after that row"
    )


def test_a_date_without_labeled_customers_is_refused_without_one_whose_outcome_is_unknown(
    model, dumps
):
    with (
        pytest.raises(ChurnkitError, match="choose a date with such rows before it"),
        snapshot_file(model, dumps, as_of="2024-07-31", labeled=True),
    ):
        pass


@pytest.mark.parametrize(
    ("date", "rows", "left_out"),
    [("2024-09-01", 2, "3 of 5"), ("2024-08-01", 3, "2 of 5"), ("2024-07-01", 5, None)],
)
def test_customers_who_are_left_out_are_counted_with_the_reason(model, dumps, date, rows, left_out):
    sentences: list[str] = []
    with snapshot_file(model, dumps, as_of=date, announce=sentences.append) as file:
        assert pq.read_metadata(file).num_rows == rows
    reason = "are left out: they have no row of 'customers' in the 28 days before"
    assert sentences == ([f"{left_out} customers as of {date} {reason}"] if left_out else [])


def test_customers_without_an_active_subscription_are_counted(tmp_path):
    file = tmp_path / "plans.csv"
    file.write_text("who,start,end,fee\na,2024-01-01,2024-03-01,5\nb,2024-02-01,,5\n")
    table = Table("plans", "who", happened="start", ended="end", columns={"fee": "number"})
    model = model_of(ActiveSubscription("plans"), table)
    sentences: list[str] = []
    with snapshot_file(model, {"plans": file}, as_of="2024-06-01", announce=sentences.append):
        (sentence,) = sentences
    assert sentence.startswith("1 of 2 customers as of 2024-06-01 are left out")
    assert sentence.endswith("they have no active row of 'plans' on this date")
    file.write_text("who,start,end,fee\na,2024-01-01,2024-03-01,5\n")
    with (
        pytest.raises(ChurnkitError, match="has not ended; use --as-of 2024-01-02"),
        snapshot_file(model, {"plans": file}, as_of="2024-06-01"),
    ):
        pass


def test_conditions_that_no_row_meets_are_named_at_the_right_date(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("who,at,fee\na,2024-01-01,5\n")
    table = Table("log", "who", happened="at", columns={"fee": "number"})
    model = model_of(ActiveWithin("log", days=9, where=Where("fee", ">", 6)), table)
    with (
        pytest.raises(ChurnkitError, match="check the conditions of eligible= in the recipe"),
        snapshot_file(model, {"log": file}, as_of="2024-01-02"),
    ):
        pass
