"""Dates among the features: days before the as-of date of the row."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from churnkit.contracts import Contract, Schema, as_of, entity, feature
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.errors import DataError


class Gym(Schema):
    member_id: str = entity()
    joined: pd.Timestamp = feature("Joined")
    renews: pd.Timestamp = feature("Renews", written="DD/MM/YYYY", nullable=True)
    visits: int = feature()
    day: pd.Timestamp = as_of(default="2024-03-01")


class Panel(Schema):
    member_id: str = entity()
    joined: pd.Timestamp = feature()
    day: pd.Timestamp = as_of()


GYM = Contract.from_schema(Gym)
TABLE = pa.table(
    {
        "member_id": ["a", "b", "c", "d"],
        "joined": ["2024-02-29", "2023-03-01T12:00:00", "2024-03-01T01:00:00+01:00", "2024-03-02"],
        "renews": ["31.12.2024", "", "31.12.9999", None],
        "visits": [1, 2, 3, 4],
    }
)


def days(first, second):
    return (pd.Timestamp(first) - pd.Timestamp(second)).days


def test_dates_are_days_before_the_default_of_the_schema():
    encoded = TableEncoder(GYM).encode(TABLE)
    assert encoded.valid.all()
    assert encoded.features[:, 0].tolist() == [1.0, 365.5, 0.0, -1.0]
    renews = encoded.features[:, 1]
    assert renews[0] == days("2024-03-01", "2024-12-31")
    assert np.isnan(renews[1:]).all()


def test_a_table_with_dates_of_its_rows_counts_up_to_them():
    later = TABLE.append_column("day", pa.array([dt.date(2025, 1, 31)] * 4, pa.date32()))
    shift = days("2025-01-31", "2024-03-01")
    first, second = (TableEncoder(GYM).encode(table).features for table in (TABLE, later))
    assert np.allclose(second[:, 0], first[:, 0] + shift)
    assert (second[:, 2] == first[:, 2]).all()


def test_an_as_of_date_long_ago_is_a_date():
    row = {
        "member_id": "a",
        "joined": "1960-01-01",
        "renews": None,
        "visits": 1,
        "day": "1970-01-01",
    }
    found = RowEncoder(GYM).encode([row]).features[0, 0]
    assert found == days("1970-01-01", "1960-01-01")


def test_a_request_states_its_date_or_has_the_default():
    encoder = RowEncoder(GYM, closed=True)
    row = {"member_id": "a", "joined": "2024-02-29", "renews": None, "visits": 1}
    later = {**row, "day": "2024-03-31"}
    first, second = (encoder.encode_row(each) or [] for each in (row, later))
    assert first[0] == 1.0
    assert math.isnan(first[1])
    assert second[0] == 31.0
    refused = encoder.encode([{**row, "day": "March"}])
    assert [(v.column, v.rule) for v in refused.violations] == [("day", "type")]


def test_rows_of_a_panel_need_their_date():
    panel = Contract.from_schema(Panel)
    table = pa.table({"member_id": ["a"], "joined": ["2024-01-01"]})
    with pytest.raises(DataError, match="'day' is missing"):
        TableEncoder(panel).encode(table)
    refused = RowEncoder(panel).encode(table.to_pylist())
    assert [(v.column, v.rule) for v in refused.violations] == [("day", "missing_column")]
    assert panel.to_json_schema()["required"] == ["member_id", "joined", "day"]


def test_the_default_is_published_and_optional():
    schema = GYM.to_json_schema()
    assert "day" not in schema["required"]
    assert schema["properties"]["day"]["default"] == "2024-03-01"
    assert Contract.from_json(GYM.to_json()) == GYM
