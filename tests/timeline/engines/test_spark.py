"""Spark gives the same table as DuckDB, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from churnkit.errors import ChurnkitError
from churnkit.timeline import (
    ActiveWithin,
    Count,
    Last,
    Lookup,
    Recency,
    Snapshots,
    Sum,
    Table,
    Timeline,
    Where,
    build,
)

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("default")]
UNTIL = "2025-12-31"


@pytest.fixture(scope="module")
def views(spark, raw):
    """The tables as registered views, once for all tests."""
    from churnkit.contracts.arrow_interop import as_arrow

    for name, rows in raw.items():
        spark.createDataFrame(as_arrow(rows)).createOrReplaceTempView(f"company_{name}")
    return {name: f"company_{name}" for name in raw}


def test_every_feature_is_the_same_on_spark(spark, plan, raw, views):
    found = build(plan, views, engine="spark", known_until=UNTIL)
    assert found.equals(build(plan, raw, known_until=UNTIL))
    assert spark.conf.get("spark.sql.session.timeZone") == "America/New_York"
    assert not [one.name for one in spark.catalog.listTables() if one.name.startswith("ck_")]


def test_every_label_is_the_same_on_spark(plan, raw, views, label):
    labelled = replace(plan, label=label, features={"rows": Count("events")})
    found = build(labelled, views, engine="spark", known_until=UNTIL)
    assert found.equals(build(labelled, raw, known_until=UNTIL))


def test_dates_with_a_time_of_day_are_the_same_on_spark(plan, raw, views):
    names = ("days_30", "recency", "contract_days", "last_kind_30")
    shifted = replace(
        plan,
        features={name: plan.features[name] for name in names},
        snapshots=Snapshots(dates=("2025-04-01T05:30:00", "2025-05-09T05:30:00")),
    )
    assert build(shifted, views, engine="spark").equals(build(shifted, raw))


def test_spark_refuses_what_duckdb_refuses(spark, plan, raw, views):
    rows = pa.table({"customer": ["a", "b"], "at": ["2025-01-01", "01/02/2025"]})
    texts = spark.createDataFrame(rows)
    small = replace(plan, tables=(replace(plan.tables[0], available=None, columns=()), plan.tables[1]),
                    features={"rows": Count("events")})  # fmt: skip
    cases = [
        ({**views, "events": texts}, ["events", "'at'", "1 of 2 rows"]),
        ({"contracts": "company_contracts"}, ["events", "is missing"]),
        ({**views, "events": "company_evnts"}, ["events", "does not exist"]),
        ({**views, "events": texts.withColumnRenamed("at", "moment")}, ["'at'", "is missing"]),
    ]
    for tables, words in cases:
        with pytest.raises(ChurnkitError) as caught:
            build(small, tables, engine="spark")
        for word in words:
            assert word in str(caught.value)
    early = replace(small, snapshots=Snapshots(dates=("2019-01-01",)))
    with pytest.raises(ChurnkitError, match="before all data"):
        build(early, views, engine="spark")


def test_formats_and_lookups_are_read_as_by_duckdb(spark):
    tables = {
        "lines": pa.table(
            {
                "order": ["1.0", "2", "2", "3", None],
                "amount": ["CHF 1'200,50", "(3,25)", "1.000", "2,5k", "n/a"],
                "paid": ["05/03/2024 11:30 PM", "31.12.24", "1-1-2024 12:05 am", None, ""],
            }
        ),
        "orders": pa.table(
            {
                "id": [1, 2, 3],
                "who": ["a", "a", "b"],
                "at": [1709251200000, 1709337600500, 1709424000000],
            }
        ),
        "days": pa.table({"who": ["a", "b"], "day": [20240301, 20240302], "city": ["Bern", None]}),
        "sheets": pa.table(
            {"who": ["a", "b"], "day": [45352.75, 45353.0], "month": ["Jan-24", "02/2024"]}
        ),
    }
    lines = Table(
        "lines",
        "who",
        happened="at",
        columns={"amount": "number", "paid": "datetime"},
        lookups=[Lookup("orders", "order", "id")],
        written={"at": "epoch milliseconds", "amount": "1.234,5", "paid": "DD/MM/YYYY"},
        missing=["n/a"],
    )
    plan = Timeline(
        [
            lines,
            Table(
                "days",
                "who",
                happened="day",
                columns={"city": "string"},
                written={"day": "YYYYMMDD"},
            ),
            Table("sheets", "who", happened="day", written={"day": "Excel serial"}),
            Table(
                "months",
                "who",
                happened="month",
                source="sheets",
                written={"month": "MM/YYYY"},
            ),
        ],
        {
            "total": Sum("lines", "amount"),
            "ago": Recency("lines"),
            "paid": Count("lines", where=Where("paid", "is known")),
            "days": Count("days"),
            "city": Last("days", "city"),
            "sheet_ago": Recency("sheets"),
            "month_ago": Recency("months"),
        },
        Snapshots(dates=("2024-03-20",)),
        ActiveWithin("lines", days=90),
    )
    frames = {name: spark.createDataFrame(table) for name, table in tables.items()}
    rows = build(plan, frames, engine="spark")
    assert rows.equals(build(plan, tables))
    assert rows["total"].to_pylist() == [1200.5 - 3.25 + 1000.0, 2500.0]
    assert rows["sheet_ago"].to_pylist() == [18, 17]
    assert rows["month_ago"].to_pylist() == [48, 19]
    assert rows["paid"].to_pylist() == [3, 0]
