"""The same table in every form gives the same result."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from churnkit.errors import ChurnkitError
from churnkit.timeline import (
    ActiveWithin,
    Count,
    Last,
    Recency,
    Snapshots,
    Sum,
    Table,
    Timeline,
    build,
    build_to,
)

PLAN = Timeline(
    tables=[
        Table(
            "orders",
            "buyer",
            happened="at",
            columns={"amount": "number", "items": "integer", "gift": "boolean", "shop": "string"},
        )
    ],
    features={
        "orders": Count("orders", window_days=30),
        "spend": Sum("orders", "amount"),
        "items": Last("orders", "items"),
        "gift": Last("orders", "gift"),
        "shop": Last("orders", "shop"),
        "days": Recency("orders"),
    },
    snapshots=Snapshots(dates=("2025-02-01", "2025-03-01")),
    eligible=ActiveWithin("orders", days=90),
)


@pytest.fixture
def orders():
    days = [dt.datetime(2025, 1, day, 12, tzinfo=dt.UTC) for day in (1, 5, 9, 31)]
    return pa.table(
        {
            "buyer": ["a", "b", "a", "b"],
            "at": pa.array(days, pa.timestamp("us", tz="UTC")),
            "amount": [1.25, None, 2.5, 4.0],
            "items": [1, 2, None, 4],
            "gift": [True, None, False, True],
            "shop": ["x", "y", "z", None],
        }
    )


@pytest.fixture
def expected(orders):
    return build(PLAN, {"orders": orders})


FORMS = {
    "pandas": lambda table, _: table.to_pandas(),
    "pandas categories": lambda table, _: table.to_pandas().astype(
        {"shop": "category", "buyer": "category"}
    ),
    "naive pandas": lambda table, _: table.to_pandas().assign(
        at=lambda f: f["at"].dt.tz_localize(None)
    ),
    "nanoseconds": lambda table, _: table.to_pandas().assign(
        at=lambda f: f["at"].astype("datetime64[ns, UTC]")
    ),
    "another zone": lambda table, _: table.to_pandas().assign(
        at=lambda f: f["at"].dt.tz_convert("Asia/Tokyo")
    ),
    "texts": lambda table, _: pd.DataFrame(table.to_pylist()).assign(
        at=lambda f: f["at"].map(lambda t: t.isoformat())
    ),
    "polars": lambda table, _: pl.from_arrow(table),
    "lazy polars": lambda table, _: pl.DataFrame(table.to_pydict()).lazy(),
    "rows": lambda table, _: table.to_pylist(),
    "parquet": lambda table, folder: written(pq.write_table, table, folder / "orders.parquet"),
    "folder": lambda table, folder: (
        written(pq.write_table, table, folder / "part-0.parquet").parent
    ),
    "csv": lambda table, folder: written(pa.csv.write_csv, table, folder / "orders.csv"),
    "csv path as text": lambda table, folder: str(
        written(pa.csv.write_csv, table, folder / "o.csv")
    ),
}


def written(write, table, path):
    write(table, path)
    return path


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_table_in_any_form_gives_the_same_snapshots(form, orders, expected, tmp_path):
    given = FORMS[form](orders, tmp_path)
    assert build(PLAN, {"orders": given}).equals(expected)


def test_times_without_offset_are_read_in_the_tables_zone(orders, expected):
    tokyo = replace(PLAN, tables=(replace(PLAN.tables[0], time_zone="Asia/Tokyo"),))
    local = orders.to_pandas().assign(
        at=lambda f: f["at"].dt.tz_convert("Asia/Tokyo").dt.tz_localize(None)
    )
    assert build(tokyo, {"orders": local}).equals(expected)
    as_text = local.assign(at=local["at"].astype(str))
    assert build(tokyo, {"orders": as_text}).equals(expected)
    with_offset = orders.to_pandas().assign(at=lambda f: f["at"].map(lambda t: t.isoformat()))
    assert build(tokyo, {"orders": with_offset}).equals(expected)


def test_customers_may_be_numbers(orders):
    numbered = orders.to_pandas().assign(buyer=[7.0, 8.0, 7.0, None])
    found = build(PLAN, {"orders": numbered})
    assert found["buyer"].to_pylist() == [7, 8, 7, 8]
    assert found.schema.field("buyer").type == pa.int64()


def test_one_table_can_be_read_along_two_times(orders):
    asked = [
        {
            "who": 1,
            "sent": dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
            "answered": dt.datetime(2025, 2, 1, tzinfo=dt.UTC),
            "score": 9,
        }
    ]
    plan = Timeline(
        tables=[
            Table("surveys", "who", happened="sent"),
            Table(
                "answers",
                "who",
                source="surveys",
                happened="answered",
                columns={"score": "integer"},
            ),
        ],
        features={"asked": Count("surveys"), "nps": Last("answers", "score")},
        snapshots=Snapshots(dates=("2025-02-01", "2025-02-02")),
        eligible=ActiveWithin("surveys", days=90),
    )
    found = build(plan, {"surveys": asked})
    assert found["asked"].to_pylist() == [1, 1]
    assert found["nps"].to_pylist() == [None, 9]


def test_a_result_without_rows_has_its_columns(orders):
    late = replace(PLAN, snapshots=Snapshots(dates=("2026-01-01",)))
    found = build(late, {"orders": orders})
    assert found.num_rows == 0
    assert tuple(found.column_names) == PLAN.column_names


def test_a_file_holds_what_the_table_holds(orders, expected, tmp_path):
    path = tmp_path / "snapshots.parquet"
    assert build_to(path, PLAN, {"orders": orders}) == expected.num_rows
    assert pq.read_table(path).equals(expected)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_failure_leaves_the_file_that_was_there(orders, tmp_path):
    path = tmp_path / "snapshots.parquet"
    path.write_bytes(b"before")

    def stop(_step, share):
        if share == 1.0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_to(path, PLAN, {"orders": orders}, progress=stop)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_progress_goes_from_nothing_to_all(orders):
    told = []
    build(PLAN, {"orders": orders}, progress=lambda step, share: told.append((step, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] == pytest.approx(1.0)
    assert "orders windows" in {step for step, _ in told}


def test_who_asks_for_progress_gets_the_same_table(orders):
    told = build(PLAN, {"orders": orders}, progress=lambda _step, _share: None)
    assert told.equals(build(PLAN, {"orders": orders}))


def test_it_runs_within_a_small_memory_limit(orders, expected, tmp_path):
    found = build(PLAN, {"orders": orders}, memory_limit="64MB", spill_dir=str(tmp_path), threads=1)
    assert found.equals(expected)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (
            pa.array([bytes(16), bytes(range(16))], pa.uuid()),
            "00000000-0000-0000-0000-000000000000",
        ),
        (pa.array([Decimal(1), Decimal(2)], pa.decimal32(5, 0)), 1),
        (pa.array([Decimal(1), Decimal(2)], pa.decimal256(50, 0)), 1),
        (pa.array([Decimal(1), Decimal(2)], pa.decimal128(30, 0)), 1),
        (pa.array(["a", "b"], pa.string_view()), "a"),
        (pa.RunEndEncodedArray.from_arrays(pa.array([1, 2]), pa.array(["a", "b"])), "a"),
        (pa.array([1, 2], pa.uint64()), 1),
    ],
)
def test_ids_of_rare_types_are_read(ids, expected):
    table = pa.table({"buyer": ids, "at": [dt.datetime(2025, 1, 10, tzinfo=dt.UTC)] * 2})
    plan = replace(PLAN, tables=(Table("orders", "buyer", happened="at"),),
                   features={"rows": Count("orders")})  # fmt: skip
    assert build(plan, {"orders": table})["buyer"].to_pylist()[0] == expected


def test_ids_beyond_64_bits_are_refused():
    table = pa.table(
        {
            "buyer": pa.array([2**63, 7], pa.uint64()),
            "at": [dt.datetime(2025, 1, 10, tzinfo=dt.UTC)] * 2,
        }
    )
    plan = replace(PLAN, tables=(Table("orders", "buyer", happened="at"),),
                   features={"rows": Count("orders")})  # fmt: skip
    with pytest.raises(ChurnkitError, match=r"'buyer' has 1 ids above .* convert the ids to text"):
        build(plan, {"orders": table})
