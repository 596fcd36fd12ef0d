"""Numbers of text columns: one format for a column and a file, with currency and unit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from churnkit.contracts import Column
from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import draft_column
from churnkit.pipeline.scaffold.number_columns import (
    UnreadableNumbersError,
    decimal_sign,
    read_numbers,
)

RNG = np.random.default_rng(5)
WHOLE = RNG.integers(1_000, 99_999, 300)
CENTS = np.round(RNG.gamma(2.0, 900.0, 300), 2)


def profile(texts):
    return profile_column("x", pa.chunked_array([list(texts)]))


def numbers_of(texts, **options):
    numbers = read_numbers(profile(texts), **options)
    assert numbers is not None
    return numbers


def grouped(number, thousands, point, decimals=2):
    text = f"{number:,.{decimals}f}"
    return text.replace(",", "#").replace(".", point).replace("#", thousands)


@pytest.mark.parametrize(
    ("spell", "settings"),
    [
        (lambda x: f"{x:.2f}", {}),
        (lambda x: grouped(x, ".", ","), {"written": "1.234,5"}),
        (lambda x: grouped(x, ",", "."), {"written": "1,234.5"}),
        (lambda x: grouped(x, " ", ","), {"written": "1.234,5"}),
        (lambda x: grouped(x, "'", "."), {"written": "1,234.5"}),
        (lambda x: f"${grouped(x, ',', '.')}", {"unit": "USD", "written": "1,234.5"}),
        (lambda x: f"{grouped(x, '.', ',')} €", {"unit": "EUR", "written": "1.234,5"}),
        (lambda x: f"R$ {grouped(x, '.', ',')}", {"unit": "BRL", "written": "1.234,5"}),
        (lambda x: f"CHF {grouped(x, chr(39), '.')}", {"unit": "CHF", "written": "1,234.5"}),
        (lambda x: f"{x:.2f} usd", {"unit": "USD", "written": "1,234.5"}),
        (lambda x: f"{x:.2f} GB", {"unit": "GB", "written": "1,234.5"}),
        (lambda x: f"{x:.2f}%", {"unit": "%", "written": "1,234.5"}),
    ],
)
def test_each_spelling_reads_back_the_numbers_that_were_written(spell, settings):
    texts = [spell(x) for x in CENTS]
    numbers = numbers_of(texts)
    assert numbers.settings == settings
    column = Column("x", "number", ("feature",), **settings)
    read, unreadable = ParsedTable(pa.table({"x": texts})).column(column).numbers
    assert unreadable is None
    assert np.allclose(read, CENTS, atol=1e-9)


@pytest.mark.parametrize(
    ("negative", "positive"), [("(5.00)", "7.25"), ("-$5.00", "$7.25"), ("$-5.00", "$7.25")]
)
def test_negative_amounts(negative, positive):
    numbers = numbers_of([negative, positive])
    assert (numbers.lowest, numbers.highest) == (-5.0, 7.25)


@pytest.mark.parametrize(("thousands", "style"), [(".", "1.234,5"), (",", "1,234.5")])
def test_small_numbers_without_a_sign_show_that_it_separates_thousands(thousands, style):
    texts = [grouped(x, thousands, "?", 0) for x in [*WHOLE, *range(1, 999, 7)]]
    numbers = numbers_of(texts, delimiter=";")
    assert (numbers.written, numbers.review) == (style, "")
    assert numbers.highest == WHOLE.max()


def test_large_numbers_without_a_sign_show_that_it_separates_decimals():
    numbers = numbers_of(["1.234", "2.345", "98765"])
    assert (numbers.written, numbers.highest) == (None, 98765.0)


@pytest.mark.parametrize(
    ("other", "written", "lowest"),
    [("3,5", "1.234,5", 1_234.0), ("3.5", None, 1.234)],
)
def test_another_column_of_the_file_decides(other, written, lowest):
    decimal = decimal_sign([profile([other, "7"]), profile(["1.234", "5.678"])])
    numbers = numbers_of(["1.234", "5.678"], decimal=decimal)
    assert (numbers.written, numbers.lowest, numbers.review) == (written, lowest, "")


def test_columns_that_disagree_decide_nothing():
    assert decimal_sign([profile(["3,5"]), profile(["3.5"])]) == ""


@pytest.mark.parametrize("texts", [["1.234", "5.678"], ["1,234", "5,678"]])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_column_without_evidence_is_marked(texts, delimiter):
    assert "if that is wrong" in numbers_of(texts, delimiter=delimiter).review


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["$5", "€6", "£7"], r"mixes currencies \(EUR, GBP, USD\)"),
        (["USD 5", "6 CHF"], r"mixes currencies \(CHF, USD\)"),
        (["1,234.5", "1.234,5"], "mixes decimal commas and decimal points"),
        (["1,5", "2.5"], "mixes decimal commas and decimal points"),
        (["500 MB", "2 GB", "700"], r"mixes units \(GB, MB\) with numbers without one"),
    ],
)
def test_mixed_currencies_units_and_formats_are_named(texts, message):
    with pytest.raises(UnreadableNumbersError, match=message):
        numbers_of(texts)


@pytest.mark.parametrize(
    "texts",
    [
        ["00123", "00456"], ["18-25", "26-35"], ["Q1", "Q2"], ["7A", "9C"], ["C001", "C002"],
        ["12:30", "14:45"], ["yes", "no"], ["1.2.3", "1.2.4"],
    ],
)  # fmt: skip
def test_codes_and_ranges_are_no_numbers(texts):
    assert read_numbers(profile(texts)) is None


def test_singular_and_plural_are_one_unit():
    assert numbers_of(["1 month", "12 months"]).highest == 12.0


def test_complete_revenue_is_drafted_as_nullable_too():
    column = pa.chunked_array([[f"{cents / 100:.2f}" for cents in range(1_000, 9_000, 7)]])
    draft = draft_column(profile_column("monthly_charges", column))
    assert draft.settings["also"] == ("value",)
    assert draft.settings["nullable"] is True


@pytest.mark.parametrize(
    ("texts", "unit", "lowest", "highest"),
    [
        (["500 MB", "1.25 GB", "20 MB"], "MB", 20.0, 1250.0),
        (["3 days", "2 weeks"], "days", 3.0, 14.0),
        (["900 Wh", "1.2 kWh", "3 MWh"], "Wh", 900.0, 3e6),
        (["90 min", "1.5 h"], "min", 90.0, 90.0),
        (["1,5 kg", "250 g"], "g", 250.0, 1500.0),
    ],
)
def test_units_of_one_quantity_are_converted_to_the_smallest(texts, unit, lowest, highest):
    numbers = numbers_of(texts)
    assert (numbers.unit, numbers.lowest, numbers.highest) == (unit, lowest, highest)
    assert f"converted to {unit}" in numbers.review


@pytest.mark.parametrize("texts", [["3 GB", "2 kWh"], ["5 months", "3 days"], ["1 KB", "2 KiB"]])
def test_units_of_different_quantities_are_no_numbers(texts):
    assert read_numbers(profile(texts)) is None
