"""The portable exponential and logarithm, compared with long doubles."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from churnkit.core.stats.exponential import (
    EXP_LIMIT,
    LN2_HIGH,
    LN2_LOW,
    ROOTS_OF_TWO,
    exp_minus,
    log1p_unit,
)
from churnkit.models.calibration.maps import exp_minus_scalar


def test_the_exponential_is_within_two_units_of_the_last_bit():
    x = np.linspace(0.0, EXP_LIMIT, 100_001)
    exact = np.exp(-x.astype(np.longdouble))
    ours = exp_minus(x)
    assert (np.abs(ours - exact) / np.spacing(ours)).max() < 2


def test_the_logarithm_is_within_three_units_of_the_last_bit():
    t = exp_minus(np.linspace(0.0, EXP_LIMIT, 100_001))
    exact = np.log1p(t.astype(np.longdouble))
    ours = log1p_unit(t)
    assert (np.abs(ours - exact) / np.spacing(ours)).max() < 3


@given(st.floats(0.0, 1e308))
def test_one_number_has_the_bits_of_an_array(x):
    assert exp_minus_scalar(x) == exp_minus(np.array([x]))[0]


def test_a_missing_number_stays_missing():
    assert math.isnan(exp_minus_scalar(math.nan))
    assert np.isnan(exp_minus(np.array([np.nan]))).all()


def test_products_of_the_high_part_are_exact():
    # 11 bits of a step and the bits of the constant fit into the 53 of a float.
    assert float(LN2_HIGH * 32).hex().rstrip("p-1").endswith("00000")
    assert math.log(2) == (LN2_HIGH + LN2_LOW) * 32
    assert len(ROOTS_OF_TWO) == 32
    assert ROOTS_OF_TWO[16] == math.sqrt(2)
