from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.pipeline import Split
from churnkit.pipeline.training.data.dataset import synthetic_rows

ids = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=30)


@given(ids, ids)
@settings(max_examples=50, deadline=None)
def test_a_customer_is_held_out_or_not_whoever_else_is_there(some, others):
    split = Split(test=0.4)
    alone = [bool(split.is_test([customer])[0]) for customer in some]
    assert split.is_test([*others, *some])[len(others) :].tolist() == alone


def test_about_the_declared_share_is_held_out():
    share = Split(test=0.2).is_test([f"c{index}" for index in range(20_000)]).mean()
    assert share == pytest.approx(0.2, abs=0.012)  # four standard errors


@pytest.mark.parametrize(("share", "count"), [(0.2, 5), (0.25, 4), (0.4, 3), (0.5, 2), (0.02, 10)])
def test_the_first_fold_is_the_test_and_the_others_are_about_as_large(share, count):
    split, customers = Split(test=share), [f"c{index}" for index in range(20_000)]
    folds = split.folds(customers)
    np.testing.assert_array_equal(folds == 0, split.is_test(customers))
    sizes = np.bincount(folds) / len(folds)
    expected = np.array([share, *[(1 - share) / (count - 1)] * (count - 1)])
    np.testing.assert_allclose(sizes, expected, atol=0.012)  # four standard errors


@given(ids, ids)
@settings(max_examples=50, deadline=None)
def test_a_customers_fold_does_not_depend_on_the_others(some, others):
    split = Split(test=0.3)
    alone = [int(split.folds([customer])[0]) for customer in some]
    assert split.folds([*others, *some])[len(others) :].tolist() == alone


def test_a_number_and_its_text_are_one_customer():
    split = Split()
    assert split.is_test(range(50)).tolist() == split.is_test(list(map(str, range(50)))).tolist()


def test_synthetic_rows_mix_customers_and_are_none_of_them():
    generator = np.random.default_rng(0)
    numbers = generator.gamma(2.0, 50.0, (80, 2))
    X = np.column_stack([generator.integers(0, 3, 80), numbers])
    X[::7, 1] = np.nan
    made = synthetic_rows(X, rows=64, seed=1, categorical=[0])
    assert len(made) > 40
    assert set(made[:, 0]) <= {0.0, 1.0, 2.0}
    assert np.isnan(made[:, 1]).any()
    assert np.nanmax(made[:, 1]) <= np.nanmax(X[:, 1])
    originals = {row.tobytes() for row in np.ascontiguousarray(X)}
    assert not [row for row in made if row.tobytes() in originals]
    np.testing.assert_array_equal(made, synthetic_rows(X, rows=64, seed=1, categorical=[0]))


def test_where_every_mixture_is_a_customer_none_is_made():
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert synthetic_rows(X, rows=20, seed=0, categorical=[0, 1]).shape == (0, 2)
