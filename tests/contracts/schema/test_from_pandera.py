"""From a pandera model to a contract: what travels, and what is refused because it cannot."""

from __future__ import annotations

import re
from typing import Optional

import pandas as pd  # noqa: TC002  (pandera reads annotations when the schema is built)
import pandera.pandas as pa
import pytest
from pandera.typing import Index, Series  # noqa: TC002

from churnkit.contracts import (
    Check,
    Contract,
    Schema,
    as_of,
    context,
    entity,
    feature,
    label,
    value,
)
from churnkit.errors import ContractError


class Gym(Schema):
    member_id: str = entity("Member", unique=True)
    visits: int = feature("Visits", unit="a month", in_range={"min_value": 0, "max_value": 31})
    rate: float = feature(
        nullable=True, in_range={"min_value": 0, "max_value": 1, "include_max": False}
    )
    plan: str = feature(phrase="{value} plan", isin=["gold", "basic"])
    city: str = feature(str_length={"min_value": 1, "max_value": 40})
    code: str = context(str_matches=r"[A-Z]\d", str_length={"exact_value": 2})
    senior: bool = feature(also=("context",))
    fee: float = value(unit="EUR a month", gt=0, ne=99)
    left: str = label(positive="Yes", isin=["No", "Yes"])


def test_types_roles_words_and_checks_travel():
    contract = Contract.from_schema(Gym)
    assert contract.name == "gym"
    assert {column.name: column.type for column in contract.columns} == {
        "member_id": "string", "visits": "integer", "rate": "number", "plan": "string",
        "city": "string", "code": "string", "senior": "boolean", "fee": "number", "left": "string",
    }  # fmt: skip
    assert {column.name: set(column.checks) for column in contract.columns} == {
        "member_id": set(),
        "visits": {Check("ge", 0), Check("le", 31)},
        "rate": {Check("ge", 0), Check("lt", 1)},
        "plan": {Check("isin", ["gold", "basic"])},
        "city": {Check("min_length", 1), Check("max_length", 40)},
        "code": {Check("matches", r"[A-Z]\d"), Check("min_length", 2), Check("max_length", 2)},
        "senior": set(),
        "fee": {Check("gt", 0), Check("ne", 99)},
        "left": {Check("isin", ["No", "Yes"])},
    }
    assert contract["senior"].roles == ("feature", "context")
    assert contract["visits"].title == "Visits"
    assert contract["visits"].unit == "a month"
    assert contract["plan"].phrase == "{value} plan"
    assert contract["rate"].nullable
    assert not contract["visits"].nullable
    assert contract["left"].positive == "Yes"


def test_listed_categories_are_the_levels_in_the_schema_s_order():
    contract = Contract.from_schema(Gym)
    assert contract["plan"].levels == ("gold", "basic")
    assert contract["plan"].unknown == "refuse"
    assert contract["city"].levels is None
    assert contract["city"].unknown == "missing"
    assert contract["left"].levels is None


def test_a_schema_object_compiles_as_a_model_does():
    assert Contract.from_schema(Gym.to_schema()).columns == Contract.from_schema(Gym).columns


class Base(Schema):
    member_id: str = entity()


class NoRole(Base):
    visits: int = pa.Field(ge=0)


class Lists(Base):
    visits: list = feature()  # type: ignore[type-arg]


class OwnCheck(Base):
    visits: int = feature()

    @pa.check("visits")
    def even(cls, visits: Series[int]) -> Series[bool]:  # noqa: N805
        return visits % 2 == 0


class WholeRows(Base):
    visits: int = feature()

    @pa.dataframe_check
    def whole(cls, frame: pd.DataFrame) -> bool:  # noqa: N805
        return True


class UniqueFeature(Base):
    visits: int = feature(unique=True)


class UniqueTogether(Base):
    visits: int = feature()

    class Config:
        unique = ["visits"]  # noqa: RUF012


class OptionalColumn(Base):
    visits: Optional[Series[int]] = feature()  # noqa: UP045  (pandera's own spelling)


class Indexed(Base):
    visits: int = feature()
    place: Index[int]


class NamePattern(Base):
    visits: int = feature(alias="visits_.*", regex=True)


class Flags(Base):
    plan: str = feature(str_matches=re.compile("a", re.IGNORECASE))


class Warns(Base):
    visits: int = feature(ge=0, raise_warning=True)


class TextOrder(Base):
    plan: str = feature(ge="a")


class DateOfNoDay(Base):
    day: pd.Timestamp = as_of(default="2025-02-30")


class DateFeature(Base):
    since: pd.Timestamp = feature()


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (NoRole, "column 'visits' has no role: declare it with entity"),
        (Lists, "column 'visits' has the unsupported type"),
        (OwnCheck, "'visits' has the check 'even', which cannot be stored"),
        (WholeRows, "has checks of whole rows"),
        (UniqueFeature, "'visits' has unique=True"),
        (UniqueTogether, "requires unique rows"),
        (OptionalColumn, "'visits' is optional"),
        (Indexed, "has an index"),
        (NamePattern, "is a name pattern"),
        (Flags, "the pattern of str_matches has flags"),
        (Warns, "raise_warning=True"),
        (TextOrder, "'ge' does not apply to type 'string'"),
        (DateOfNoDay, "default must be a date as YYYY-MM-DD"),
        (DateFeature, "feature 'since' is a date, .* declare that date with as_of"),
    ],
)
def test_what_cannot_travel_is_refused_and_not_left_out(schema, words):
    with pytest.raises(ContractError, match=words):
        Contract.from_schema(schema)
