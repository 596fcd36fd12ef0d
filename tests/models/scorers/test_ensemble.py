"""Several scorers as one."""

import numpy as np
import pytest

from churnkit.errors import BundleError
from churnkit.models import EnsembleScorer, LightGBMTrees, LinearScorer, LogisticModel, load_scorer


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X[:, 0]) + rng.normal(size=300) > 0).astype(int)
    members = [LogisticModel(C=1.0).fit(X, y).scorer_, LightGBMTrees(rounds=20).fit(X, y).scorer_]
    return X, EnsembleScorer(members, [0.3, 0.7])


def test_the_raw_score_is_the_weighted_sum(fitted):
    X, ensemble = fitted
    expected = 0.3 * ensemble.members[0].raw_score(X) + 0.7 * ensemble.members[1].raw_score(X)
    np.testing.assert_array_equal(ensemble.raw_score(X), expected)


def test_a_row_scores_like_its_matrix_to_the_last_bit(fitted):
    X, ensemble = fitted
    rows = np.array([ensemble.raw_score_row(row) for row in X.tolist()])
    np.testing.assert_array_equal(rows, ensemble.raw_score(X))


def test_contributions_sum_to_the_raw_score(fitted):
    X, ensemble = fitted
    np.testing.assert_allclose(
        ensemble.contributions(X).sum(axis=1), ensemble.raw_score(X), atol=1e-9
    )


def test_a_saved_ensemble_comes_back_the_same(fitted):
    X, ensemble = fitted
    loaded = load_scorer(ensemble.kind, *ensemble.to_arrays())
    np.testing.assert_array_equal(loaded.raw_score(X), ensemble.raw_score(X))
    assert loaded.n_features == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, a: s.pop("members"), "members"),
        (lambda s, a: s.update(members=[]), "members"),
        (lambda s, a: s["members"].append(s["members"][0]), "weights"),
        (lambda s, a: s["members"].__setitem__(0, "linear"), "member 0"),
        (lambda s, a: s["members"][0].update(kind="ensemble"), "member 0"),
        (lambda s, a: s["members"][0].update(kind=["linear"]), "member 0"),
        (lambda s, a: s["members"][0].pop("settings"), "member 0"),
        (lambda s, a: s.update(n_features=4), "different columns"),
        (lambda s, a: a.update(weights=a["weights"] * np.nan), "weights"),
        (lambda s, a: a.pop("member0_knots"), "knots"),
    ],
)
def test_a_tampered_ensemble_is_refused_by_name(fitted, change, message):
    settings, arrays = fitted[1].to_arrays()
    change(settings, arrays)
    with pytest.raises(BundleError, match=message):
        EnsembleScorer.from_arrays(settings, arrays)


def test_members_may_be_of_one_kind():
    up = LinearScorer.straight(bias=0.0, coefficients=[1.0], low=[0.0], high=[1.0])
    down = LinearScorer.straight(bias=0.0, coefficients=[-1.0], low=[0.0], high=[1.0])
    assert EnsembleScorer([up, down], [0.5, 0.5]).raw_score([[0.7]])[0] == 0.0
