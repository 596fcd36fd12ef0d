"""Missing values of columns that were complete in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from churnkit.contracts import Column, Contract
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.errors import ContractError

CONTRACT = Contract(
    "gym",
    (
        Column("id", "string", ("entity",)),
        Column("visits", "integer", ("feature",), nullable=True, fill=6.0),
        Column("active", "boolean", ("feature",), nullable=True, fill=1.0),
        Column("spend", "number", ("feature",), nullable=True),
    ),
)


def test_rows_and_tables_encode_a_missing_value_as_the_fill():
    rows: list[dict[str, Any]] = [
        {"id": "a", "visits": None, "active": None, "spend": None},
        {"id": "b", "visits": 3, "active": False, "spend": 2.5},
    ]
    expected = [[6.0, 1.0, np.nan], [3.0, 0.0, 2.5]]
    for encoded in (
        TableEncoder(CONTRACT).encode(pa.Table.from_pylist(rows)),
        RowEncoder(CONTRACT).encode(rows),
    ):
        assert np.array_equal(encoded.matrix, expected, equal_nan=True)
        assert encoded.valid.all()


def test_a_fill_is_stored_with_the_contract():
    assert Contract.from_json(CONTRACT.to_json()) == CONTRACT
    assert "fill" not in Column("x", "number", ("feature",)).to_dict()


@pytest.mark.parametrize(
    ("kind", "fill"), [("string", 1.0), ("number", float("nan")), ("number", "1")]
)
def test_a_fill_that_is_no_number_is_refused(kind, fill):
    with pytest.raises(ContractError, match="fill must be a finite number"):
        Column("x", kind, ("feature",), nullable=True, fill=fill)
