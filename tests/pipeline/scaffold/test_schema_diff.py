"""Differences of a new export from a schema, and edits of the schema's file."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - a schema reads its annotations

import pyarrow as pa
import pytest

from churnkit.contracts import Contract, Schema, as_of, context, entity, feature, label
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.schema_diff import find_changes, widen_source

SOURCE = '''"""A gym."""

from churnkit.contracts import Schema, context, entity, feature, label


class Gym(Schema):
    """One row per customer."""

    member: str = entity(unique=True)
    # The plan of the contract, not the one that is billed.
    plan: str = feature("Plan", isin=["basic", "plus"])  # two since 2021
    fee: float = feature(
        "Fee",
        unit="EUR",
        ge=5,  # never free
    )
    visits: int = feature("Visits", ge=0)
    consent: bool = context("Consent", alias="May we call")
    left: bool = label()
'''


class Gym(Schema):
    member: str = entity(unique=True)
    plan: str = feature("Plan", isin=["basic", "plus"])
    fee: float = feature("Fee", unit="EUR", ge=5)
    visits: int = feature("Visits", ge=0)
    consent: bool = context("Consent", alias="May we call")
    left: bool = label()


def export(**columns):
    rows = {
        "member": ["1", "2", "3"],
        "plan": ["basic", "plus", "plus"],
        "fee": ["19.9", "29.9", "9.9"],
        "visits": ["1", "2", "3"],
        "May we call": ["true", "false", "true"],
        "left": ["0", "1", "0"],
    }
    return pa.table({name: values for name, values in (rows | columns).items() if values})


def changes(table, earlier=None):
    return find_changes(Contract.from_schema(Gym), table, earlier)


@pytest.mark.parametrize(
    ("columns", "column", "kind", "settings"),
    [
        (
            {"plan": ["gold", "gold", "basic"]},
            "plan",
            "new_category",
            {"isin": ["basic", "plus", "gold"]},
        ),
        ({"fee": ["19.9", "", "9.9"]}, "fee", "blanks", {"nullable": True}),
        ({"fee": ["19.9", "0.5", "9.9"]}, "fee", "bound", {"ge": 0.5}),
        ({"visits": ["-2", "1", "3"]}, "visits", "bound", {"ge": -2}),
        ({"region": ["n", "s", "n"]}, "region", "new_column", {}),
        ({"visits": None}, "visits", "missing_column", {}),
        ({"fee": ["19,9", "29,9", "9,9"]}, "fee", "type", {}),
    ],
)
def test_a_change_is_named_with_the_wider_schema(columns, column, kind, settings):
    (change,) = changes(export(**columns))
    assert (change.column, change.kind, change.settings) == (column, kind, settings)


@pytest.mark.parametrize("factor", [0.01, 0.001, 100, 1_000])
def test_another_unit_is_named_and_not_accepted(factor):
    fees = [f"{float(fee) * factor * 1.1:.6f}" for fee in ("19.9", "29.9", "9.9")]
    found = changes(export(fee=fees), export())
    assert [(change.kind, change.settings) for change in found] == [("unit", {})]
    assert f"median {factor:g} times" in found[0].message


@pytest.mark.parametrize("written", ["DD/MM/YYYY", "MM/DD/YYYY"])
@pytest.mark.parametrize(
    ("days", "kinds"),
    [(["01/02/2024", "01/05/2025"], []), (["2024-02-01", "2025-05-01"], ["date_format"])],
)
def test_dates_without_a_day_after_the_12th_are_as_the_schema_reads_them(written, days, kinds):
    class Dated(Schema):
        member: str = entity()
        day: dt.datetime = as_of(written=written, coerce=True)
        visits: int = feature()

    table = pa.table({"member": ["1", "2"], "day": days, "visits": ["1", "2"]})
    found = find_changes(Contract.from_schema(Dated), table, None)
    assert [change.kind for change in found] == kinds


def test_an_unchanged_export_has_no_changes():
    assert changes(export(), export()) == ()


def test_messages_hold_no_values_of_numbers_or_ids():
    found = changes(export(member=["secret-1", "secret-2", "secret-3"], fee=["0.123", "1", "7"]))
    assert not any("secret" in change.message or "0.123" in change.message for change in found)


def test_only_the_arguments_change_in_the_file():
    table = export(plan=["gold", "", "basic"], fee=["19.9", "0.5", ""], visits=["1", "2", ""])
    text = widen_source(SOURCE, Contract.from_schema(Gym), changes(table))
    expected = SOURCE.replace(
        'isin=["basic", "plus"]', 'isin=["basic", "plus", "gold"], nullable=True'
    )
    expected = expected.replace("ge=5,  # never free", "ge=0.5, nullable=True,  # never free")
    expected = expected.replace('"Visits", ge=0', '"Visits", ge=0, nullable=True')
    assert text == expected
    namespace: dict[str, type] = {}
    exec(text, namespace)  # noqa: S102 - the text was made above
    assert find_changes(Contract.from_schema(namespace["Gym"]), table) == ()


def test_a_column_that_is_not_in_the_file_is_refused():
    (change,) = changes(export(fee=["19.9", "", "9.9"]))
    with pytest.raises(ChurnkitError, match="column 'fee' is not declared as a field"):
        widen_source("class Gym: ...", Contract.from_schema(Gym), [change])
