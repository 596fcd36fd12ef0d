"""Which histories are refused, and what the refusal says."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from churnkit.models.errors import ModelDataError
from churnkit.models.value import BGNBD, MBGNBD, ParetoNBD
from churnkit.models.value.purchase.purchase_history import aggregate_histories, read_histories

MANY = 12


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((-1, 2, 9), "frequency is negative in 1 rows"),
        ((1, -2, 9), "recency is negative in 1 rows"),
        ((1, 10, 9), "recency exceeds T in 1 rows"),
        ((0, 2, 9), "recency is above 0 with frequency 0 in 1 rows"),
        ((2, 0, 9), "recency is 0 with frequency above 0 in 1 rows"),
        ((1.5, 2, 9), "frequency is not an integer in 1 rows"),
        ((np.nan, 2, 9), "frequency is missing or infinite in 1 rows"),
        ((1, np.inf, np.inf), "recency is missing or infinite in 1 rows"),
        ((1, 2, None), "T is missing or infinite in 1 rows"),
        (("many", 2, 9), "frequency is not numeric"),
    ],
)
@pytest.mark.parametrize("model", [BGNBD, MBGNBD, ParetoNBD])
def test_a_bad_row_is_refused_by_name_and_count(model, row, message):
    columns = zip(*([(0, 0, 5)] * MANY + [row]), strict=True)
    with pytest.raises(ModelDataError, match=message):
        model().fit(*map(list, columns))


def test_three_customers_are_too_few():
    with pytest.raises(ModelDataError, match="3 customers are too few"):
        BGNBD().fit([1, 0, 2], [2.0, 0.0, 3.0], [9.0, 9.0, 9.0])


def test_customers_without_repeat_purchases_are_refused():
    with pytest.raises(ModelDataError, match="frequency is 0 for every customer"):
        ParetoNBD().fit([0] * MANY, [0] * MANY, [9] * MANY)


def test_customers_seen_for_no_time_teach_nothing():
    with pytest.raises(ModelDataError, match="T is 0 for every customer"):
        BGNBD().fit([0] * MANY, [0] * MANY, [0] * MANY)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ModelDataError, match="recency must have 2 rows, got 3"):
        BGNBD().fit([1, 1], [2, 2, 2], [9, 9])


def test_a_table_for_a_column_is_refused():
    with pytest.raises(ModelDataError, match="frequency has 2 dimensions"):
        BGNBD().fit([[1, 1]], [2], [9])


def test_no_customers_are_scored_as_none(buyers):
    model = BGNBD().fit(*buyers)
    assert model.probability_alive([], [], []).shape == (0,)
    assert model.conditional_expected_purchases(5.0, [], [], []).shape == (0,)


def test_equal_customers_are_counted_once():
    cells = aggregate_histories(read_histories([0, 2] * 6, [0.0, 3.0] * 6, [9.0, 9.0] * 6))
    assert cells.frequency.tolist() == [0.0, 2.0]
    assert cells.weight.tolist() == [6.0, 6.0]


def test_identical_customers_who_never_leave_are_fitted_with_a_warning():
    rng = np.random.default_rng(0)
    x = 1 + rng.poisson(20, 300)
    with pytest.warns(ConvergenceWarning, match="the data do not determine"):
        model = BGNBD().fit(x, np.full(300, 39.9), np.full(300, 40.0))
    assert model.at_edge_
    assert np.isnan(model.covariance_).all()
    assert np.isnan(model.intervals()["r"].low)
    with pytest.raises(ModelDataError, match="the likelihood is flat"):
        model.draw_parameters(3, seed=0)
    rate = model.conditional_expected_purchases(40.0, [21], [39.9], [40.0])[0]
    assert rate == pytest.approx(x.mean(), rel=0.1)
