"""Exact sums held against the standard library's correctly rounded one."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from churnkit.decisions.allocation.exact_sum import exact_sum, rounded

numbers = st.lists(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
)


@given(numbers)
def test_a_sum_is_the_correctly_rounded_one(money):
    assert rounded(exact_sum(np.array(money))) == math.fsum(money)


@given(numbers, st.data())
def test_parts_in_any_order_have_the_same_sum(money, data):
    cut = data.draw(st.integers(0, len(money)))
    mixed = data.draw(st.permutations(money))
    parts = exact_sum(np.array(mixed[:cut])) + exact_sum(np.array(mixed[cut:]))
    assert parts == exact_sum(np.array(money))


def test_what_no_float_holds_is_infinite():
    assert rounded(exact_sum(np.full(2, 1.7e308))) == math.inf
    assert rounded(exact_sum(np.full(2, -1.7e308))) == -math.inf
