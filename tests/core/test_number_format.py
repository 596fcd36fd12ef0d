"""Formatted numbers are short and close to the numbers that they show."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.core.number_format import format_number, format_percent


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.857143, "0.86"), (0.5, "0.5"), (0.004567, "0.0046"), (1 / 3, "0.33"), (4 / 3, "1.33"),
        (19.99, "19.99"), (30.857143, "30.9"), (104.8, "104.8"), (104.8123, "105"),
        (1674.75, "1,675"), (2_000_000.0, "2,000,000"), (-0.0, "0"), (-2.5, "-2.5"),
        (0.1 + 0.2, "0.3"), (0.999, "1"), (math.inf, "inf"),
    ],
)  # fmt: skip
def test_a_number_is_as_long_as_it_needs_to_be(value, words):
    assert format_number(value) == words


@given(st.floats(1e-9, 1e12) | st.floats(-1e12, -1e-9))
def test_a_formatted_number_is_within_a_twentieth_of_the_value(value):
    text = format_number(value)
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.051)
    assert "e" not in text


@given(st.floats(0.0, 1.0))
def test_a_share_is_a_percentage_within_half_a_point(value):
    text = format_percent(value)
    assert text.endswith("%")
    assert float(text.removesuffix("%")) == pytest.approx(100.0 * value, abs=0.5001)
