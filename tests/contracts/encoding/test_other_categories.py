"""Unknown categories as the category "other": the same code for rows and tables."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from churnkit.contracts import Contract, Schema, entity, feature
from churnkit.contracts.encoding.category_levels import learn_levels
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.validation.pandera_check import check_table

OTHER = "(other)"


class Listed(Schema):
    customer: str = entity()
    plan: str = feature(isin=["basic", "plus"], unknown="other", nullable=True)


class Learned(Schema):
    customer: str = entity()
    plan: str = feature(unknown="other", nullable=True)


def table(plans):
    return pa.table({"customer": [f"c{one}" for one in range(len(plans))], "plan": plans})


@pytest.fixture(params=["listed", "learned"])
def contract(request):
    if request.param == "listed":
        return Contract.from_schema(Listed)
    training = table(["plus"] * 12 + ["basic"] * 30 + ["rare"] * 9)
    return learn_levels(Contract.from_schema(Learned), training)


def test_other_is_the_last_level(contract):
    assert contract["plan"].levels == ("basic", "plus", OTHER)
    assert Contract.from_json(contract.to_json()) == contract


def test_rows_and_tables_get_the_same_code(contract):
    plans = ["basic", "plus", "gold", " silver ", "", None, OTHER]
    rows = [{"customer": f"c{one}", "plan": plan} for one, plan in enumerate(plans)]
    by_table = TableEncoder(contract).encode(table(plans))
    by_row = RowEncoder(contract, lenient=True).encode(rows)
    expected = [0.0, 1.0, 2.0, 2.0, math.nan, math.nan, 2.0]
    for encoded in (by_table, by_row):
        assert encoded.features[:, 0].tolist() == pytest.approx(expected, nan_ok=True)
        assert encoded.valid.all()
        # Unknown categories are reported, although no rule is violated.
        (warning,) = encoded.warnings
        assert (warning.rule, warning.positions.tolist()) == ("unknown_category", [2, 3])
    assert check_table(contract, table(plans), "predict") == ()
    assert contract["plan"].decode(2.0) == OTHER


def test_a_listed_category_is_refused_without_the_policy():
    class Strict(Schema):
        customer: str = entity()
        plan: str = feature(isin=["basic", "plus"])

    encoded = TableEncoder(Contract.from_schema(Strict)).encode(table(["gold"]))
    assert not encoded.valid.any()
