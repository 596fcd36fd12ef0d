"""Contracts and rows for the property tests.

Hypothesis draws one run of bytes, and every choice takes two of them: strategies for each
column and cell were fifty times slower, and this one shrinks as well (byte 0 is the first and
plainest choice).
"""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

from churnkit.contracts import Check, Column, Contract
from churnkit.contracts.parsing.number_spelling import NUMBER_STYLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.contracts.schema.column import ColumnType

T = TypeVar("T")

WORDS = ["a", "b", "ab", "Yes", "No", "One year", "1", "0", "3", "1.5", "True", "2020-01-01", "é"]
PATTERNS = ["a", "[A-Z]", r"\d+$", "a|b", ".*e"]
SMALL = [0, 1, 2, 3, -1, -3]
LIMITS = [*SMALL, -0.5, 0.5, 2.5, 2**53, 1e300]
TRUTHS = [False, True]
NUMERIC_RULES = ["ge", "gt", "le", "lt", "eq", "ne", "isin", "notin"]
RULES = {
    "integer": NUMERIC_RULES,
    "number": NUMERIC_RULES,
    "boolean": ["eq", "ne", "isin", "notin"],
    "string": ["eq", "ne", "isin", "notin", "matches", "min_length", "max_length"],
}

TEXTS = [
    *WORDS, "", " ", "\t\n", " a ", "a\n", "Yes ", " 3", "3 ", "+3", "-0", "1e1", "1e999", "1.",
    ".5", "1_0", "0x1", "nan", "inf", "-Infinity", "NULL", "yes", "NO", "true", "1.0", "0.0",
    "1,5", "1.234,5", "1,234.5", "$ 3", "-1 %", "3,", ",5", "1,234", "1.234", "null",
    "9007199254740993", "9" * 400, "2020-02-29", "2021-02-29", "2020-01-01T10:00:00Z",
    "2020-01-01 24:00", "20200101", "\u00a0a", "a\x00", "\x00", "\ud800", "\u0663", "\U0001f600",
]  # fmt: skip
NUMBERS = [
    *SMALL, 2**31, 2**53, 2**53 + 1, -(2**63), 2**63, 2**64, 10**30, 10**400, -(10**400), -0.5,
    0.5, 2.5, 0.1, -0.0, 3.0, 1e16, 1e300, 5e-324, math.inf, -math.inf,
]  # fmt: skip
NOTHING = [None, math.nan, np.nan, pd.NA, pd.NaT, Decimal("NaN"), np.float32("nan")]
SCALARS = [
    np.int8(3), np.int64(2**53 + 1), np.uint64(2**63), np.float32(0.1), np.float64(0.1),
    np.float16(1.5), np.bool_(True), np.bool_(False), np.str_("a"), Decimal("1.50"), Decimal(3),
    Decimal("1E+3"), Decimal("Infinity"), Fraction(1, 3), np.timedelta64(3, "D"),
]  # fmt: skip
MOMENTS = [
    dt.date(2020, 1, 1), dt.date(1, 1, 1), dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 5),  # noqa: DTZ001
    dt.datetime(2020, 1, 1, 5, tzinfo=dt.UTC), pd.Timestamp("2020-01-01T05:00:00.123456"),
    dt.datetime(9999, 12, 31, 23, tzinfo=dt.timezone(-dt.timedelta(hours=5))),
    np.datetime64("2020-01-01"), np.datetime64("2020"), np.datetime64("NaT", "us"),
]  # fmt: skip
STRANGE = [
    b"a", [], [1], {}, (1, 2), {"a": 1}, 1j, np.complex128(1), np.array(1.0), np.array([1.0]),
    dt.time(1), dt.timedelta(1), object(),
]  # fmt: skip
ANYTHING: list[list[Any]] = [TEXTS, NUMBERS, NOTHING, SCALARS, MOMENTS, TRUTHS, STRANGE]
USUAL: dict[str, list[Any]] = {
    "integer": [*SMALL, "3", " 3 ", "-1", "", None, 2.0],
    "number": [*SMALL, 0.5, -0.0, 2.5, "0.5", " -1e0", "", None],
    "boolean": [True, False, "yes", "No", " true", 0, 1, 1.0, None, ""],
    "string": [*WORDS, " a ", "", None],
    "datetime": ["2020-01-01", dt.date(2020, 1, 1), None, "", "2020-01-01T05:00Z"],
}


class Choices:
    """Choices that are written down as bytes."""

    def __init__(self, written: bytes) -> None:
        self._bytes = iter(written)

    def number(self) -> int:
        return next(self._bytes, 0) + 256 * next(self._bytes, 0)

    def of(self, pool: Sequence[T]) -> T:
        return pool[self.number() % len(pool)]

    def some(self, pool: Sequence[T], most: int) -> list[T]:
        return [self.of(pool) for _ in range(self.number() % (most + 1))]


def _check(choose: Choices, kind: str) -> Check:
    rule = choose.of(RULES[kind])
    if rule == "matches":
        return Check(rule, choose.of(PATTERNS))
    if rule.endswith("_length"):
        return Check(rule, choose.number() % 5)
    pools: dict[str, list[Any]] = {"boolean": TRUTHS, "string": WORDS}
    pool = pools.get(kind, LIMITS)
    return Check(rule, choose.some(pool, 4) if rule in {"isin", "notin"} else choose.of(pool))


_UNKNOWN: tuple[Literal["refuse"], Literal["missing"]] = ("refuse", "missing")


def _column(choose: Choices, name: str, *roles: str) -> Column:
    """A column of any type that its role allows."""
    kinds: dict[str, list[ColumnType]] = {"entity": ["string", "integer"], "as_of": ["datetime"]}
    any_kind: list[ColumnType] = ["string", "integer", "number", "boolean"]
    if roles == ("feature",):
        any_kind = [*any_kind, "datetime"]
    kind = choose.of(kinds.get(roles[0], any_kind))
    count = 0 if kind == "datetime" else choose.of([0, 1, 0, 2])
    encoded = kind == "string" and roles[0] in {"feature", "value", "cost", "context"}
    return Column(
        name,
        kind,
        roles,
        nullable=roles[0] != "entity" and choose.of(TRUTHS),
        checks=tuple(_check(choose, kind) for _ in range(count)),
        levels=tuple(dict.fromkeys(choose.some(WORDS, 8))) if encoded else None,
        unknown=choose.of(_UNKNOWN),
        written=choose.of([None, None, *NUMBER_STYLES]) if kind in {"integer", "number"} else None,
        missing=choose.of([(), (), ("null",), ("One year", "b")]) if kind != "datetime" else (),
        default=choose.of([None, "2020-02-29"]) if roles[0] == "as_of" else None,
        fill=choose.of([None, 3.0]) if kind == "datetime" and roles[0] == "feature" else None,
    )


def _contract(choose: Choices) -> Contract:
    """A contract whose categories are known, so that rows can be encoded."""
    features = [
        _column(choose, f"f{place}", "feature", *choose.of([(), ("value",)]))
        for place in range(1 + choose.number() % 4)
    ]
    further = [
        _column(choose, role, role)
        for role in ("as_of", "value", "cost", "context", "pii", "ignore")
        if choose.of(TRUTHS)
        or (role == "as_of" and any(feature.type == "datetime" for feature in features))
    ]
    return Contract("drawn", (_column(choose, "id", "entity"), *features, *further))


def _value(choose: Choices, column: Column) -> Any:
    """A value for a column: mostly one that it asks for, now and then any other."""
    if choose.number() % 8 == 7:
        return choose.of(choose.of(ANYTHING))
    asked = list(column.levels or ())
    for check in column.checks:
        if check.rule in {"matches", "min_length", "max_length"}:
            continue
        asked += check.value if isinstance(check.value, tuple) else [check.value]
    return choose.of([*asked, *USUAL[column.type]])


@st.composite
def _contracts_and_rows(draw: st.DrawFn, *, most: int = 6) -> tuple[Contract, list[dict[str, Any]]]:
    """A contract, and rows that have its columns."""
    choose = Choices(draw(_WRITTEN))
    contract = _contract(choose)
    lacks = choose.of(TRUTHS)
    rows = [
        {c.name: _value(choose, c) for c in contract.columns if not (lacks and c.default)}
        for _ in range(1 + choose.number() % most)
    ]
    return contract, rows


_WRITTEN = st.binary(min_size=800, max_size=800)


@pytest.fixture(scope="session")
def contracts_and_rows():
    """The strategy; tests import nothing from each other."""
    return _contracts_and_rows
