"""A check in batches finds what the check of the whole table finds."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  (pandera reads the annotation)

import numpy as np
import pyarrow as pa
import pytest

from churnkit.contracts import Contract, Schema, as_of, entity, feature, label
from churnkit.contracts.validation.batch_check import check_batches
from churnkit.contracts.validation.pandera_check import check_table
from churnkit.errors import DataError


class Gym(Schema):
    member_id: str = entity()
    month: dt.datetime = as_of(coerce=True)
    visits: int = feature(ge=0, le=60)
    fee: float = feature(written="1.234,5", nullable=True)
    plan: str = feature(isin=["basic", "plus"])
    left: bool = label()


CONTRACT = Contract.from_schema(Gym)


def members(seed, rows=900, faults=0.02):
    random = np.random.default_rng(seed)

    def spoil(values, bad):
        column = np.array(values, dtype=object)
        places = random.random(rows) < faults
        column[places] = random.choice(np.array(bad, dtype=object), int(places.sum()))
        return pa.array(column.tolist(), pa.string())

    return pa.table(
        {
            "member_id": spoil([f"m{n}" for n in random.integers(0, 400, rows)], ["", None]),
            "month": spoil([f"2024-{n:02d}-01" for n in random.integers(1, 13, rows)], ["soon"]),
            "visits": spoil(random.integers(0, 61, rows).astype(str), ["-1", "x", "61", None]),
            "fee": spoil(["12,5"] * rows, ["1.000,5", "", "free"]),
            "plan": spoil(random.choice(["basic", "plus"], rows), ["gold", ""]),
            "left": spoil(random.choice(["0", "1"], rows), ["2", "maybe", ""]),
        }
    )


def listed(findings):
    return {(f.column, f.rule): (f.positions.tolist(), f.column_type) for f in findings}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("purpose", ["train", "predict"])
@pytest.mark.parametrize("size", [1, 400, 5_000])
def test_batches_have_the_findings_of_the_whole_table(seed, purpose, size):
    table = members(seed, rows=900 if size > 1 else 12, faults=0.02 * (seed % 3))
    batches = [table.slice(start, size) for start in range(0, table.num_rows, size)]
    rows, findings = check_batches(CONTRACT, [table.slice(0, 0), *batches], purpose)
    whole = check_table(CONTRACT, table, purpose)
    assert rows == table.num_rows
    assert listed(findings) == listed(whole)
    assert [f.column for f in findings] == [f.column for f in whole]


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (members(0, faults=0.0).drop_columns("plan"), "plan"),
        (members(0).slice(0, 0), "at least one row"),
        (
            members(0, faults=0.0).set_column(5, "left", pa.array(["1"] * 900)),
            "churned and retained",
        ),
    ],
)
def test_what_is_wrong_with_the_whole_table_is_refused(table, rule):
    batches = [table.slice(0, 500), table.slice(500)]
    with pytest.raises(DataError, match=rule):
        check_batches(CONTRACT, batches)
    with pytest.raises(DataError, match=rule):
        check_table(CONTRACT, table)


def test_batches_are_not_kept():
    table = members(0, rows=20_000, faults=0.0)
    places = pa.array(np.arange(table.num_rows))
    before = pa.total_allocated_bytes()
    table.take(places)
    allocated = []

    def batches():
        for _ in range(12):
            allocated.append(pa.total_allocated_bytes() - before)
            yield table.take(places)

    rows, _ = check_batches(CONTRACT, batches(), "predict")
    assert rows == 12 * table.num_rows
    assert max(allocated) < 3 * table.nbytes
