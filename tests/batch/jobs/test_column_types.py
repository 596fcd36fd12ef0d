"""Files with rare column types are scored, or refused in words."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from churnkit.batch import score

IDS = {
    "uint64": lambda n: pa.array([2**63 + k for k in range(n)], pa.uint64()),
    "uuid": lambda n: pa.array([k.to_bytes(16) for k in range(n)], pa.uuid()),
    "string_view": lambda n: pa.array([f"c{k}" for k in range(n)], pa.string_view()),
    "decimal32": lambda n: pa.array([Decimal(k) for k in range(n)], pa.decimal32(9, 0)),
    "decimal64": lambda n: pa.array([Decimal(k) for k in range(n)], pa.decimal64(18, 0)),
    "decimal128": lambda n: pa.array([Decimal(k) for k in range(n)], pa.decimal128(30, 0)),
    "decimal256": lambda n: pa.array([Decimal(k) for k in range(n)], pa.decimal256(50, 0)),
    "half": lambda n: pa.array(np.arange(n, dtype=np.float16)),
    "dictionary": lambda n: pa.array([f"c{k}" for k in range(n)]).dictionary_encode(),
    "binary": lambda n: pa.array([b"c%d" % k for k in range(n)]),
    "list": lambda n: pa.array([[k] for k in range(n)]),
    "duration": lambda n: pa.array(range(n), pa.duration("s")),
    "timestamp": lambda n: pa.array(range(n), pa.timestamp("ns", "UTC")),
}


@pytest.fixture(scope="module")
def rows(rows_of_shop):
    return rows_of_shop(60, seed=11)


UNREADABLE = {"binary", "list", "duration"}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize("kind", sorted(IDS))
def test_ids_of_each_type_are_scored_or_refused(tmp_path, rows, shop_model, kind, ending):
    table = pa.Table.from_pylist(rows)
    entity = shop_model.contract.entity.name
    ids = IDS[kind](table.num_rows)
    table = table.set_column(table.column_names.index(entity), entity, ids)
    try:
        pq.write_table(table, tmp_path / "customers.parquet")
    except pa.ArrowNotImplementedError:
        pytest.skip(f"pyarrow {pa.__version__} cannot write a file with this type")
    output = tmp_path / f"scores.{ending}"
    score(tmp_path / "customers.parquet", output, shop_model)
    scores = pq.read_table(output) if ending == "parquet" else pcsv.read_csv(output)
    assert scores.num_rows == table.num_rows
    null = scores["churn_probability"].null_count
    assert null == (table.num_rows if kind in UNREADABLE else 0)
