"""Each kind of bad input is refused by a message with the table, the column and the correction."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from churnkit.errors import ChurnkitError
from churnkit.timeline import (
    ActiveWithin,
    ContractualChurn,
    Count,
    InactivityChurn,
    Last,
    Mean,
    Snapshots,
    Sum,
    Table,
    Timeline,
    build,
)

AT = dt.datetime(2025, 1, 10, tzinfo=dt.UTC)
ORDERS = Table(
    "orders",
    "buyer",
    happened="at",
    columns={"amount": "number", "items": "integer", "gift": "boolean"},
)


def plan(table=ORDERS, dates=("2025-02-01",), label=None, features=None):
    return Timeline(
        tables=[table],
        features=features or {"spend": Sum("orders", "amount"), "rows": Count("orders")},
        snapshots=Snapshots(dates=dates),
        eligible=ActiveWithin("orders", days=90),
        label=label,
    )


def order(**changes):
    return {"buyer": "b1", "at": AT, "amount": 2.5, "items": 1, "gift": True, **changes}


def refused(timeline, tables, *words, **settings):
    with pytest.raises(ChurnkitError) as caught:
        build(timeline, tables, **settings)
    message = str(caught.value)
    for word in words:
        assert word in message, message
    return message


def test_times_as_text_in_two_formats():
    rows = [order(at="2025-01-10"), order(at="2025-01-11 10:00:00"), order(at="13/01/2025")]
    message = refused(plan(), {"orders": rows}, "orders", "'at'", "1 of 3 rows", "YYYY-MM-DD")
    assert "13/01" not in message


def test_a_missing_table():
    refused(plan(), {"order": [order()]}, "orders", "is missing", "did you mean 'order'")


def test_a_renamed_column():
    rows = [{"buyer": "b1", "at": AT, "amount_usd": 2.5}]
    refused(plan(), {"orders": rows}, "orders", "'amount'", "did you mean 'amount_usd'")


def test_a_renamed_time():
    refused(plan(), {"orders": [{"buyer": "b", "happened": AT, "amount": 1.0}]}, "orders", "'at'")


def test_an_unknown_time_zone():
    with pytest.raises(ChurnkitError, match=r"'orders'.*'Europe/Belrin'.*IANA"):
        Table("orders", "buyer", happened="at", time_zone="Europe/Belrin")


def test_two_rows_for_one_key():
    table = Table("orders", "buyer", happened="at", columns={"amount": "number"}, key="number")
    rows = [order(number=1), order(number=1), order(number=2)]
    refused(plan(table), {"orders": rows}, "orders", "'number'", "1 keys", "keep one row")


def test_a_date_before_all_data():
    message = refused(
        plan(dates=("2025-01-05", "2025-02-01")), {"orders": [order()]}, "orders", "'at'"
    )
    assert "2025-01-05 is before all data" in message
    assert "start snapshots on 2025-01-11" in message


def test_a_date_at_the_first_row_is_before_all_data():
    refused(plan(dates=("2025-01-10",)), {"orders": [order()]}, "before all data")


def test_a_label_that_is_not_known_yet():
    label = InactivityChurn("orders", horizon_days=30, gap_days=5)
    rows = [order(), order(at=dt.datetime(2025, 3, 7, 9, tzinfo=dt.UTC))]
    timeline = plan(label=label)
    message = refused(timeline, {"orders": rows}, "orders", "2025-02-01", "known on 2025-03-08")
    assert "end snapshots on 2025-01-31" in message
    assert build(timeline, {"orders": rows}, known_until="2025-03-08").num_rows == 1


def test_data_of_dates_without_times_end_with_their_last_day():
    timeline = plan(label=InactivityChurn("orders", horizon_days=30, gap_days=5))
    rows = [order(), order(at=dt.datetime(2025, 3, 7, tzinfo=dt.UTC))]
    assert build(timeline, {"orders": rows}).num_rows == 1
    rows = [order(), order(at=dt.datetime(2025, 3, 6, tzinfo=dt.UTC))]
    refused(timeline, {"orders": rows}, "known on 2025-03-08", "the data end on 2025-03-07")


def test_data_of_times_that_end_at_midnight_lack_the_next_day():
    timeline = plan(label=InactivityChurn("orders", horizon_days=30, gap_days=5))
    hours = [dt.datetime(2025, 3, 6, hour, tzinfo=dt.UTC) for hour in (9, 23)]
    midnight = dt.datetime(2025, 3, 7, tzinfo=dt.UTC)
    rows = [order(), *(order(at=at) for at in (*hours, midnight))]
    refused(timeline, {"orders": rows}, "known on 2025-03-08", "the data end on 2025-03-07")


def test_the_grace_must_be_over_too():
    table = Table("orders", "buyer", happened="at", ended="over")
    label = ContractualChurn("orders", horizon_days=30, grace_days=30)
    rows = [{"buyer": "b", "at": AT, "over": None}]
    timeline = plan(table, label=label, features={"rows": Count("orders")})
    refused(timeline, {"orders": rows}, "'over'", "2025-04-02", known_until="2025-04-01")
    assert build(timeline, {"orders": rows}, known_until="2025-04-02").num_rows == 1


def test_numbers_that_are_text():
    rows = [order(amount="12.5"), order(amount="n/a"), order(amount=" ")]
    message = refused(
        plan(), {"orders": rows}, "orders", "'amount'", "1 texts that are not numbers"
    )
    assert "n/a" not in message


def test_infinite_amounts():
    rows = [order(), order(amount=float("inf"))]
    refused(plan(), {"orders": rows}, "orders", "'amount'", "1 infinite numbers")


def test_integers_with_fractions():
    features = {"items": Mean("orders", "items")}
    rows = [order(items=1.5), order(items=None)]
    refused(plan(features=features), {"orders": rows}, "'items'", "1 numbers that are not integers")


def test_texts_that_are_not_booleans():
    features = {"gift": Last("orders", "gift")}
    rows = [order(gift="yes"), order(gift="maybe")]
    refused(plan(features=features), {"orders": rows}, "'gift'", "1 values")


def test_a_column_of_another_kind():
    rows = [order(amount=True)]
    refused(plan(), {"orders": rows}, "orders", "'amount'", "BOOLEAN", "convert it")


def test_times_that_are_numbers():
    refused(plan(), {"orders": [order(at=1736467200)]}, "orders", "'at'", "dates or times")


def test_rows_whose_time_of_knowledge_is_missing():
    table = Table("orders", "buyer", happened="at", available="known_at")
    rows = [
        {"buyer": "b", "at": AT, "known_at": None},
        {"buyer": "b", "at": None, "known_at": None},
    ]
    timeline = plan(table, features={"rows": Count("orders")})
    refused(timeline, {"orders": rows}, "orders", "'known_at'", "1 of 2 rows")


def test_a_table_without_rows():
    empty = pa.schema(
        [("buyer", pa.string()), ("at", pa.timestamp("us")), ("amount", pa.float64())]
    )
    refused(plan(), {"orders": empty.empty_table()}, "orders", "'at'", "at least one")


def test_ids_of_two_types():
    timeline = Timeline(
        tables=[ORDERS, Table("visits", "buyer", happened="at")],
        features={"visits": Count("visits")},
        snapshots=Snapshots(dates=("2025-02-01",)),
        eligible=ActiveWithin("orders", days=90),
    )
    tables = {"orders": [order()], "visits": [{"buyer": 1, "at": AT}]}
    refused(timeline, tables, "visits", "'buyer'", "integers", "text")


def test_a_missing_file(tmp_path):
    message = refused(plan(), {"orders": tmp_path / "orders.csv"}, "orders", "orders.csv")
    assert str(tmp_path) not in message


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "orders.docx").write_bytes(b"PK")
    refused(plan(), {"orders": tmp_path / "orders.docx"}, "neither Parquet nor CSV")


def test_a_damaged_file(tmp_path):
    (tmp_path / "orders.parquet").write_bytes(b"PAR1 and then nothing")
    refused(plan(), {"orders": tmp_path / "orders.parquet"}, "orders", "cannot be read")


def test_an_unknown_engine():
    refused(plan(), {"orders": [order()]}, "choose duckdb or spark", engine="dask")
