"""Survival curves from given hazards: their laws, their reasons, and their way to a file."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.errors import BundleError
from churnkit.models import HazardModel, HazardScorer, ModelDataError, Scorer, load_scorer


@pytest.fixture(scope="module")
def scorer():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 3))
    X[rng.random(800) < 0.1, 1] = np.nan
    leaves = rng.exponential(8 * np.exp(-X[:, 0]))
    model = HazardModel(max_rounds=60, horizon=7.5, width=1.5)
    return model.fit(X, np.minimum(leaves, 12.0), leaves < 12.0).scorer_


@pytest.fixture(scope="module")
def customers():
    X = np.random.default_rng(1).normal(size=(40, 3))
    X[::7, 1] = np.nan
    return X


@given(
    times=st.lists(st.floats(0, 60), min_size=2, max_size=8),
    age=st.floats(0, 30),
)
def test_survival_never_rises_and_stays_within_one(scorer, customers, times, age):
    found = scorer.survival(customers[:5], sorted(times), age=age)
    assert (np.diff(found, axis=1) <= 1e-15).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_survival_is_the_product_of_surviving_each_period(scorer, customers):
    hazard = scorer.hazard(customers, np.arange(8))
    product = np.cumprod(1 - hazard, axis=1)
    assert scorer.survival(customers, 1.5 * np.arange(1, 9)) == pytest.approx(product)
    between = product[:, 1] * (1 - hazard[:, 2]) ** 0.25
    assert scorer.survival(customers, [3.375])[:, 0] == pytest.approx(between)


def test_everybody_is_there_at_time_zero(scorer, customers):
    assert (scorer.survival(customers, [0.0], age=4.0) == 1.0).all()


@given(seed=st.integers(0, 1000))
def test_survival_of_those_already_there_is_a_ratio_of_survivals(scorer, customers, seed):
    rng = np.random.default_rng(seed)
    age, ahead = rng.uniform(0, 20, 40), rng.uniform(0, 20)
    found = scorer.survival(customers, [ahead], age=age)[:, 0]
    whole = np.array(
        [
            scorer.survival(row[None], [a, a + ahead])[0]
            for row, a in zip(customers, age, strict=True)
        ]
    )
    assert found == pytest.approx(whole[:, 1] / whole[:, 0])


def test_the_expected_lifetime_is_the_area_under_the_curve(scorer, customers):
    grid = np.linspace(0, 9.7, 9701)
    for age in (0.0, 2.2):
        curve = scorer.survival(customers, grid, age=age)
        area = ((curve[:, 1:] + curve[:, :-1]) / 2).sum(axis=1) * (grid[1] - grid[0])
        assert scorer.lifetime(customers, horizon=9.7, age=age) == pytest.approx(area, rel=1e-5)


def test_later_than_anybody_was_watched_the_hazard_stays(scorer, customers):
    last = len(scorer.baseline) - 1
    hazard = scorer.hazard(customers, [last, last + 1, last + 500])
    assert (hazard == hazard[:, :1]).all()


def test_the_raw_score_is_the_log_odds_of_leaving_within_the_horizon(scorer, customers):
    left = 1 - scorer.survival(customers, [7.5])[:, 0]
    assert scorer.raw_score(customers) == pytest.approx(np.log(left / (1 - left)))


def test_a_row_scores_as_in_a_table_to_the_last_bit(scorer, customers):
    table = scorer.raw_score(customers)
    assert [scorer.raw_score_row(row.tolist()) for row in customers] == table.tolist()


def test_contributions_sum_to_the_raw_score(scorer, customers):
    found = scorer.contributions(customers)
    assert found.shape == (40, 4)
    assert found.sum(axis=1) == pytest.approx(scorer.raw_score(customers))
    # The column that drives leaving is the one that explains it.
    assert np.abs(found[:, :3]).mean(axis=0).argmax() == 0
    assert np.corrcoef(found[:, 0], customers[:, 0])[0, 1] > 0.8


def test_what_was_saved_scores_the_same(scorer, customers):
    loaded = load_scorer("hazard", *scorer.to_arrays())
    assert isinstance(loaded, HazardScorer)
    assert isinstance(loaded, Scorer)
    assert loaded.raw_score(customers).tolist() == scorer.raw_score(customers).tolist()
    times = [1.0, 5.0, 30.0]
    assert np.array_equal(loaded.survival(customers, times), scorer.survival(customers, times))


@pytest.mark.parametrize(
    ("settings", "arrays", "message"),
    [
        ({"width": 0.0}, {}, "out of range"),
        ({"width": "1"}, {}, "must be a finite number"),
        ({"horizon": 1e9}, {}, "out of range"),
        ({"trees": None}, {}, "no settings of its trees"),
        ({}, {"baseline": np.zeros(0)}, "baseline must have 1 to"),
        ({}, {"baseline": np.array([np.nan])}, "not finite"),
        ({}, {"baseline": None}, "missing"),
        ({}, {"slope": np.ones(1)}, "has 1 items"),
    ],
)
def test_a_damaged_hazard_is_refused(scorer, settings, arrays, message):
    saved, held = scorer.to_arrays()
    with pytest.raises(BundleError, match=message):
        HazardScorer.from_arrays(saved | settings, held | arrays)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s, X: s.survival(X, [-1.0]), "1 of times are negative"),
        (lambda s, X: s.survival(X, [np.nan]), "1 of times"),
        (lambda s, X: s.survival(X, [1e9]), "more than 10,000 periods"),
        (lambda s, X: s.survival(X, [[1.0]]), "2 dimensions"),
        (lambda s, X: s.survival(X, ["x"]), "not numbers"),
        (lambda s, X: s.survival(X, [1.0], age=[1.0, 2.0]), "2 ages for 40 rows"),
        (lambda s, X: s.survival(X[:, :2], [1.0]), r"must have shape \(n, 3\)"),
        (lambda s, X: s.lifetime(X, horizon=-1.0), "1 of horizon"),
        (lambda s, X: s.hazard(X, [-1]), "periods must be 0 or more"),
    ],
)
def test_invalid_input_of_survival_is_refused(scorer, customers, call, message):
    with pytest.raises(ModelDataError, match=message):
        call(scorer, customers)


def test_no_customers_have_no_curves(scorer):
    assert scorer.survival(np.empty((0, 3)), [1.0, 2.0]).shape == (0, 2)
    assert scorer.contributions(np.empty((0, 3))).shape == (0, 4)


def test_scoring_a_hazard_imports_numpy_alone():
    program = (
        "from churnkit.models import HazardScorer\n"
        "from churnkit.evaluation import concordance, kaplan_meier, savings\n"
        "import sys\n"
        "print([n for n in ('sklearn', 'lightgbm', 'pandas', 'scipy') if n in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"


@pytest.mark.parametrize("rate", [0.0, 0.02])
def test_what_a_kept_customer_is_good_for_is_the_area_beyond_the_first_period(
    scorer, customers, rate
):
    ends = [0.5, 1.0, 2.0, 6.4, 30.0]
    found = scorer.survival_weights(customers, ends, rate=rate)
    # A fine sum over the curve itself, in periods of 1.5.
    steps = 3000
    for place, end in enumerate(ends):
        middle = (np.arange(steps) + 0.5) * end / steps
        alive = scorer.survival(customers, middle * 1.5)
        first = scorer.survival(customers, [1.5])
        kept = np.where(middle < 1.0, 1.0, alive / first)
        area = (kept * np.exp(-rate * middle)).sum(axis=1) * end / steps
        assert found[:, place] == pytest.approx(area, rel=2e-3)
    assert (found <= np.array(ends) + 1e-12).all()
    assert (np.diff(found, axis=1) > 0).all()
    assert found[:, 1] == pytest.approx((1 - np.exp(-rate)) / rate if rate else 1.0)


def test_a_row_alone_is_good_for_what_it_is_in_a_table(scorer, customers):
    together = scorer.survival_weights(customers, [6.0, 24.0], rate=0.01)
    for row in range(len(customers)):
        alone = scorer.survival_weights(customers[row : row + 1], [6.0, 24.0], rate=0.01)
        assert alone.tolist() == together[row : row + 1].tolist()


def test_an_end_that_is_no_time_is_refused(scorer, customers):
    with pytest.raises(ModelDataError, match="periods"):
        scorer.survival_weights(customers, [-1.0])
