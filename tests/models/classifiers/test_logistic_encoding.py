"""How a logistic regression reads a column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.core.stats.weighted_quantiles import weighted_quantiles
from churnkit.models.classifiers.logistic_encoding import (
    CategoryEncoding,
    NumberEncoding,
    encode_columns,
    limit_knots,
    limit_rows,
)

COLUMNS = st.lists(
    st.one_of(st.just(float("nan")), st.floats(-1e12, 1e12), st.integers(-3, 3).map(float)),
    min_size=1,
    max_size=60,
)


@given(values=COLUMNS, n_knots=st.integers(0, 9), seed=st.integers(0, 99))
def test_the_folded_effect_is_the_encoded_column_times_its_coefficients(values, n_knots, seed):
    column = np.array(values)
    encoding = NumberEncoding.fit(column, np.ones(len(column)), n_knots=n_knots)
    coefficients = np.random.default_rng(seed).normal(size=encoding.width)
    expected = encoding.design(column) @ coefficients
    np.testing.assert_allclose(
        encoding.effect(coefficients).at(column), expected, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("column", [[np.nan] * 5, [3.0] * 5, [0.1, 0.1 + 1e-17], [-0.0, 0.0]])
def test_a_column_without_spread_bends_nothing(column):
    values = np.array(column)
    encoding = NumberEncoding.fit(values, np.ones(len(values)), n_knots=5)
    assert len(encoding.knots) == 1
    assert np.isfinite(encoding.effect(np.ones(encoding.width)).at(values)).all()


def test_a_yes_or_no_column_is_one_straight_line():
    encoding = NumberEncoding.fit(np.array([0.0, 1.0] * 9), np.ones(18), n_knots=9)
    assert encoding.width == 1


@pytest.mark.parametrize("outlier", [500.0, 1e9])
def test_the_encoding_is_standardised_whatever_the_tails(outlier):
    column = np.random.default_rng(0).gamma(2.0, 50.0, 1000)
    column[0] = outlier
    line = NumberEncoding.fit(column, np.ones(1000), n_knots=3).design(np.sort(column)[10:990])[
        :, 0
    ]
    assert line.mean() == pytest.approx(0, abs=0.05)
    assert line.std() == pytest.approx(1, abs=0.1)


def test_rare_categories_share_one_column_and_unseen_ones_count_as_missing():
    codes = np.array([0.0] * 5 + [1.0] * 4 + [2.0, 4.0, 5.0, np.nan])
    encoding = CategoryEncoding.fit(codes, np.ones(13), max_levels=3)
    assert encoding.slot.tolist() == [0, 1, 2, 3, 2, 2]
    assert encoding.design(np.array([1.0, 4.0, 3.0, 99.0, np.nan])).argmax(axis=1).tolist() == [
        1,
        2,
        3,
        3,
        3,
    ]


def test_many_categories_of_many_columns_stay_within_bounds():
    codes = np.tile(np.arange(3000.0)[:, None], (1, 4))
    encodings = encode_columns(
        codes, np.ones(3000), categories=range(4), n_knots=5, max_levels=5000
    )
    assert sum(encoding.width for encoding in encodings) <= 2_004


@given(values=st.lists(st.integers(-5, 5), min_size=1, max_size=30), seed=st.integers(0, 99))
def test_weighted_quantiles_are_numpys_on_repeated_values(values, seed):
    column = np.array(values, dtype=float)
    counts = np.random.default_rng(seed).integers(1, 4, len(column))
    shares = [0.1, 0.25, 0.5, 0.75, 0.9]
    expected = np.quantile(np.repeat(column, counts), shares, method="inverted_cdf")
    found = weighted_quantiles(column, counts.astype(float), shares)
    np.testing.assert_array_equal(found, expected)


def test_a_wide_table_has_at_most_one_coefficient_per_five_rows():
    for rows, numbers in ((5_634, 19), (975, 40), (975, 403), (100_000, 60), (100_000, 2_000)):
        knots = limit_knots(9, rows=rows, numbers=numbers)
        if knots:
            assert numbers * (knots + 3) <= min(rows / 5, 1_000)
        assert 0 <= knots <= 9
    assert limit_knots(9, rows=5_634, numbers=19) == 9
    assert limit_knots(9, rows=100_000, numbers=2_000) == 0


def test_the_rows_of_a_design_shrink_with_its_squared_width():
    assert limit_rows(100) >= 200_000
    assert all(
        limit_rows(width) * width**2 <= max(20e9, 10 * width**3) for width in (300, 900, 5_000)
    )
