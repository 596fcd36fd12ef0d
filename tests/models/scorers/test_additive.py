"""The additive scorer: rows and matrices agree to the bit, and reasons add up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.errors import BundleError
from churnkit.models import LinearScorer, ModelDataError, Scorer, load_scorer
from churnkit.models.scorers.additive import ColumnEffect


def drawn_scorer(seed=0, width=6):
    rng = np.random.default_rng(seed)
    columns = []
    for at in range(width):
        if at % 3 == 2:
            columns.append(ColumnEffect.of_category(rng.normal(size=4), missing=rng.normal()))
        else:
            knots = np.cumsum(rng.uniform(0.01, 3, rng.integers(1, 7))) - 4
            effect = rng.normal(size=len(knots))
            columns.append(ColumnEffect.of_number(knots, effect, missing=rng.normal()))
    return LinearScorer(rng.normal(), columns)


STRESS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-2, 6).map(float),
    st.sampled_from([-0.0, 5e-324, -1e-40, 1e308, 0.1 + 0.2, float("nan")]),
)


@given(row=st.lists(STRESS, min_size=6, max_size=6), seed=st.integers(0, 20))
def test_a_row_scores_like_its_matrix_to_the_last_bit(row, seed):
    scorer = drawn_scorer(seed)
    assert scorer.raw_score_row(row) == scorer.raw_score([row, row])[1]


def test_rows_on_the_knots_and_beside_them_score_like_their_matrix():
    scorer = drawn_scorer(3)
    for at, column in enumerate(scorer.columns):
        for knot in column.knots:
            for value in (knot, np.nextafter(knot, 99), np.nextafter(knot, -99)):
                row = [0.0] * 6
                row[at] = float(value)
                assert scorer.raw_score_row(row) == scorer.raw_score([row])[0]


def test_the_lines_are_numpys_interpolation_and_flat_outside():
    knots, effect = [0.0, 1.0, 5.0], [0.3, -1.0, 2.0]
    column = ColumnEffect.of_number(knots, effect, missing=7.0)
    values = np.linspace(-3, 9, 200)
    np.testing.assert_allclose(column.at(values), np.interp(values, knots, effect), atol=1e-12)


@pytest.mark.parametrize("code", [-1.0, 4.0, 1.5, 1e300, float("inf"), float("nan")])
def test_what_is_no_known_code_counts_as_missing(code):
    column = ColumnEffect.of_category([1.0, 2.0, 3.0, 4.0], missing=-9.0)
    assert column.at(np.array([code]))[0] == -9.0
    assert LinearScorer(0.0, [column]).raw_score_row([code]) == -9.0


def test_contributions_sum_to_the_raw_score():
    scorer = drawn_scorer()
    X = np.random.default_rng(1).normal(size=(50, 6)).round()
    parts = scorer.contributions(X)
    assert parts.shape == (50, 7)
    np.testing.assert_allclose(parts.sum(axis=1), scorer.raw_score(X), atol=1e-12)
    assert (parts[:, -1] == scorer.bias).all()


def test_a_saved_scorer_comes_back_the_same():
    scorer = drawn_scorer()
    assert isinstance(scorer, Scorer)
    loaded = load_scorer(scorer.kind, *scorer.to_arrays())
    X = np.random.default_rng(1).normal(size=(50, 6)).round(1)
    np.testing.assert_array_equal(loaded.raw_score(X), scorer.raw_score(X))


def test_a_column_without_any_known_category_is_saved_too():
    scorer = LinearScorer(0.5, [ColumnEffect.of_category([], missing=1.0)])
    loaded = load_scorer("linear", *scorer.to_arrays())
    assert loaded.raw_score([[0.0]])[0] == 1.5


def broken(change):
    settings, arrays = drawn_scorer().to_arrays()
    change(settings, arrays)
    return settings, arrays


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, a: s.pop("bias"), "bias"),
        (lambda s, a: s.update(bias=float("nan")), "bias"),
        (lambda s, a: s.update(bias="1"), "bias"),
        (lambda s, a: s.update(n_features=7), "is_category"),
        (lambda s, a: s.update(n_features=True), "n_features"),
        (lambda s, a: a.pop("knots"), "knots"),
        (lambda s, a: a.update(knots=a["knots"][:-1]), "sizes"),
        (lambda s, a: a.update(sizes=a["sizes"] * -1), "sizes"),
        (lambda s, a: a.update(sizes=a["sizes"].astype("int32")), "sizes"),
        (lambda s, a: a.update(effect=a["effect"][:, None]), "effect"),
        (lambda s, a: a.update(effect=a["effect"] * np.inf), "effect"),
        (lambda s, a: a.update(slope=a["slope"][1:]), "slope"),
        (lambda s, a: a.update(missing=list(a["missing"])), "missing"),
        (lambda s, a: a.update(knots=-a["knots"]), "ascend"),
    ],
)
def test_a_tampered_scorer_is_refused_by_name(change, message):
    with pytest.raises(BundleError, match=message):
        LinearScorer.from_arrays(*broken(change))


def test_an_unknown_kind_is_refused():
    with pytest.raises(BundleError, match="no kind"):
        load_scorer("pickle", {}, {})


@pytest.mark.parametrize("X", [[[1.0]], [1.0], [["a"] * 6]])
def test_a_matrix_of_another_shape_or_type_is_refused(X):
    with pytest.raises(ModelDataError, match="encode it with"):
        drawn_scorer().raw_score(X)


def test_a_row_of_another_width_is_refused():
    with pytest.raises(ModelDataError, match="1 values"):
        drawn_scorer().raw_score_row([1.0])
