"""Metrics on Spark equal those of DuckDB."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from churnkit.errors import DataError, RecipeError
from churnkit.insights import (
    measure_retention,
    measure_satisfaction,
    open_session,
    open_spark_session,
)
from churnkit.insights.segmentation.rfm import measure_rfm

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("default")]

AS_OF = "2026-01-01"
TABLES = ("subscriptions", "events", "surveys", "tickets")


def differences(one, other, at=""):
    """Return the positions where two nested results differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from differences(one[name], other[name], f"{at}/{name}")
    elif isinstance(one, (list, tuple)) and type(one) is type(other) and len(one) == len(other):
        for place, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from differences(mine, theirs, f"{at}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        same = math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        if not same and not (math.isnan(one) and math.isnan(other)):
            yield f"{at}: {one} {other}"
    elif one != other:
        yield f"{at}: {one} {other}"


def both(spark, tables, measure):
    """Measure on DuckDB and on Spark."""
    with open_session(tables, as_of=AS_OF, threads=1) as session:
        here = measure(session)
    frames = {
        name: spark.createDataFrame(table).repartition(3).cache() for name, table in tables.items()
    }
    with open_spark_session(frames, as_of=AS_OF) as session:
        there = measure(session)
    return here, there


def test_retention_and_satisfaction_are_those_of_duckdb(spark, company):
    tables = {name: company.tables[name] for name in TABLES}
    before = spark.conf.get("spark.sql.session.timeZone")

    def measure(opened):
        # Satisfaction needs prepared subscriptions.
        retention, satisfied = measure_retention(opened), measure_satisfaction(opened)
        assert satisfied is not None
        return retention.to_dict(), satisfied.to_dict()

    here, there = both(spark, tables, measure)
    assert list(differences(list(here), list(there))) == []
    assert len(here[0]["figures"]) > 5
    assert spark.conf.get("spark.sql.session.timeZone") == before
    assert not [view for view in spark.catalog.listTables() if view.name.startswith("ck_")]


def test_orders_on_spark_equal_those_of_duckdb(spark):
    import pyarrow as pa

    rows = [
        {
            "customer": f"c{place % 17}",
            "date": datetime(2025, 1 + place % 12, 1 + place % 27, place % 24, tzinfo=UTC),
            "amount": 5.0 + place % 9,
            "order": f"o{place // 2}",
        }
        for place in range(400)
    ]
    tables = {"orders": pa.Table.from_pylist(rows)}

    def measure(opened):
        retention = measure_retention(opened).to_dict()
        return retention, [segment.to_dict() for segment in measure_rfm(opened)]

    here, there = both(spark, tables, measure)
    assert list(differences(list(here), list(there))) == []
    assert len(here[1]) > 3


def test_invalid_tables_are_refused(spark, company):
    frame = spark.createDataFrame([("a", 1.0)], "customer string, mrr double")
    with (
        pytest.raises(DataError, match="started"),
        open_spark_session({"subscriptions": frame}, as_of=AS_OF),
    ):
        pass
    for tables, said in (
        ({"sales": frame}, "unknown table 'sales'"),
        ({}, "no tables: pass Spark data frames"),
        ({"events": company.tables["events"]}, "must be Spark data frames"),
    ):
        with pytest.raises(RecipeError, match=said), open_spark_session(tables, as_of=AS_OF):
            pass
