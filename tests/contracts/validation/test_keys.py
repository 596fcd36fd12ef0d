"""Labels that are dates or have several values, and tables without a customer id."""

from __future__ import annotations

import datetime as dt  # noqa: TC003  (pandera reads the annotation)

import pyarrow as pa
import pytest

from churnkit.contracts import Contract, Schema, entity, feature, label
from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.validation.labels import encode_label
from churnkit.contracts.validation.pandera_check import check_table
from churnkit.errors import ContractError


class Dated(Schema):
    member: str = entity()
    left_on: dt.datetime = label(nullable=True, written="DD/MM/YYYY", coerce=True)


def test_a_filled_date_means_churned():
    contract = Contract.from_schema(Dated)
    table = pa.table({"member": ["a", "b", "c"], "left_on": ["31.01.2024", "", None]})
    assert encode_label(contract, table)[0].tolist() == [1, 0, 0]
    assert check_table(contract, table) == ()


def test_an_unreadable_date_of_a_label_is_a_finding():
    table = pa.table({"member": ["a", "b"], "left_on": ["soon", ""]})
    findings = check_table(Contract.from_schema(Dated), table)
    assert [(f.column, f.rule) for f in findings] == [("left_on", "type")]


class Status(Schema):
    member: str = entity()
    status: str = label(positive="Churned", isin=["Churned", "Joined", "Stayed"])


def test_every_other_value_of_a_label_means_stayed():
    table = pa.table({"member": ["a", "b", "c"], "status": ["Joined", "Churned", "Stayed"]})
    assert encode_label(Contract.from_schema(Status), table)[0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    "date", ["31.12.9999", "31/12/2099", "01.01.1900", "1-1-1970", "31.12.2999 23:59:59"]
)
def test_a_date_that_stands_for_no_date_is_no_churn_date(date):
    table = pa.table({"member": ["a", "b"], "left_on": ["31.01.2024", date]})
    assert encode_label(Contract.from_schema(Dated), table)[0].tolist() == [1, 0]


class Statuses(Schema):
    member: str = entity()
    status: str = label(positive=["Churned", "Cancelled"])


def test_several_values_of_a_label_mean_churned():
    contract = Contract.from_schema(Statuses)
    assert Contract.from_json(contract.to_json()) == contract
    table = pa.table({"member": ["a", "b", "c"], "status": ["Cancelled", "Churned ", "Stayed"]})
    assert encode_label(contract, table)[0].tolist() == [1, 1, 0]


class Reason(Schema):
    member: str = entity()
    reason: str = label(nullable=True, missing=["none"])


def test_any_text_of_a_nullable_label_means_churned():
    contract = Contract.from_schema(Reason)
    table = pa.table({"member": ["a", "b", "c", "d"], "reason": ["price", None, " ", "None"]})
    assert encode_label(contract, table)[0].tolist() == [1, 0, 0, 0]
    assert check_table(contract, table) == ()


@pytest.mark.parametrize("positive", [[], ["a", "a"], ["a", ""], [3]])
def test_values_that_a_label_cannot_have_are_refused(positive):
    from churnkit.contracts import Column

    with pytest.raises(ContractError, match="positive must be a value"):
        Column("status", "string", ("label",), positive=positive)


class Numbered(Schema):
    row: int = entity(numbered=True)
    visits: int = feature()


def test_rows_without_an_id_are_numbered():
    contract = Contract.from_schema(Numbered)
    assert Contract.from_json(contract.to_json()).entity.numbered
    table = pa.table({"visits": ["3", "4"]})
    assert list(map(str, TableEncoder(contract).encode(table).entity)) == ["0", "1"]
    assert RowEncoder(contract).encode([{"visits": 3}, {"visits": 4}]).entity == [0, 1]
    assert check_table(contract, table, "predict") == ()


def test_an_id_that_the_table_has_is_kept():
    contract = Contract.from_schema(Numbered)
    encoded = TableEncoder(contract).encode(pa.table({"row": [7, 9], "visits": [3, 4]}))
    assert list(map(str, encoded.entity)) == ["7", "9"]


def test_only_the_entity_can_be_numbered():
    from churnkit.contracts import Column

    columns = (
        Column("id", "string", ("entity",)),
        Column("x", "number", ("feature",), numbered=True),
    )
    with pytest.raises(ContractError, match="only the entity can be numbered"):
        Contract("gym", columns)
