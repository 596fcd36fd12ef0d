"""Lists for customers: propensities are exact, and options may come and go."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.decisions import Option, rank, rank_values, slate_probabilities
from churnkit.errors import DataError, RecipeError
from churnkit.models import BanditBatch, LinearBandit

NAMES = ["a", "b", "c", "d"]


def by_hand(values, size, epsilon):
    """Every list with its probability, summed over the draws and over all lists."""
    count = len(values[0])
    lists = list(itertools.permutations(range(count), size))
    chance = dict.fromkeys(lists, epsilon / len(lists))
    for draw in values:
        best = tuple(sorted(range(count), key=lambda at: (-draw[at], at))[:size])
        chance[best] += (1 - epsilon) / len(values)
    return chance


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=5),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.1, 1.0]),
)
def test_propensities_are_the_sums_over_all_lists_also_under_ties(values, size, epsilon):
    chance = by_hand(values, size, epsilon)
    assert sum(chance.values()) == pytest.approx(1)
    slate = rank_values(values, NAMES, key="k", size=size, epsilon=epsilon)
    chosen = tuple(NAMES.index(name) for name in slate.options)
    assert slate.slate_propensity == pytest.approx(chance[chosen])
    table = slate_probabilities(np.array(values)[:, None, :], size=size, epsilon=epsilon)[0]
    for place in range(size):
        for option in range(4):
            exact = sum(p for order, p in chance.items() if order[place] == option)
            assert table[option, place] == pytest.approx(exact)
        assert slate.propensities[place] == pytest.approx(table[chosen[place], place])


def test_frequencies_over_many_decisions_are_the_propensities():
    values = np.random.default_rng(0).normal(size=(16, 4))
    exact = slate_probabilities(values[:, None, :], size=2, epsilon=0.2)[0]
    seen = np.zeros((4, 2))
    runs = 20_000
    for at in range(runs):
        slate = rank_values(values, NAMES, key=f"k{at}", size=2, epsilon=0.2)
        for place, name in enumerate(slate.options):
            seen[NAMES.index(name), place] += 1
    error = np.sqrt(exact * (1 - exact) / runs)
    assert (np.abs(seen / runs - exact) < 4.5 * error).all()


def test_the_same_key_gives_the_same_list_and_another_salt_another():
    values = np.random.default_rng(0).normal(size=(8, 4))
    lists = [rank_values(values, NAMES, key="k", size=4, epsilon=1.0) for _ in range(2)]
    assert lists[0] == lists[1]
    others = {
        rank_values(values, NAMES, key="k", size=4, epsilon=1.0, salt=str(salt)).options
        for salt in range(9)
    }
    assert len(others) > 3
    json.dumps(lists[0].to_dict())


def test_weighting_by_propensity_gives_back_each_options_own_value():
    """The logs of `rank` serve off-policy evaluation: weights have mean 1, values no bias."""
    from churnkit.evaluation import PolicyLog, evaluate_policy

    rng = np.random.default_rng(1)
    values = rng.normal(size=(12, 4))
    truth = [0.1, 0.4, 0.2, 0.7]
    slates = [rank_values(values, NAMES, key=f"c{at}", epsilon=0.2) for at in range(8000)]
    arm = np.array([NAMES.index(slate.options[0]) for slate in slates])
    log = PolicyLog.from_columns(
        arm,
        [slate.propensities[0] for slate in slates],
        rng.random(8000) < np.take(truth, arm),
        arms=4,
    )
    for option in range(4):
        found = evaluate_policy(log, np.eye(4)[option], reward_model="mean", level=0.999)
        assert found["ips"].low < truth[option] < found["ips"].high
        assert found.overlap.mean_weight == pytest.approx(1, abs=0.15)


def learned(rows=3000, *, seed=0, options=5):
    """A bandit that has seen all options but the last."""
    rng = np.random.default_rng(seed)
    feature = np.linspace(-1, 1, options)
    X = rng.normal(size=(rows, 2))
    arm = rng.integers(options - 1, size=rows)
    reward = 1.0 + X[:, 0] * feature[arm] + 0.1 * rng.normal(size=rows)
    bandit = LinearBandit.new(customer_features=2, option_features=1, seed=seed)
    bandit = bandit.fit_scale(X, feature[:, None])
    names = [f"o{at}" for at in arm]
    return bandit.update(BanditBatch(X, names, feature[arm][:, None], reward)), feature


def test_a_new_option_starts_from_its_features():
    bandit, feature = learned()
    names = [f"o{at}" for at in range(5)]
    value = bandit.expected([[2.0, 0.0]], names, feature[:, None])[0]
    assert value.argmax() == 4  # never shown, and yet the best by its feature
    assert value[:4] == pytest.approx(1 + 2 * feature[:4], abs=0.1)
    assert 2 < value[4] < 4


def test_a_new_option_is_less_certain_than_the_known_ones():
    bandit, feature = learned()
    names = [f"o{at}" for at in range(5)]
    drawn = bandit.sample([[2.0, 0.0]], names, feature[:, None])[:, 0, :]
    assert drawn.std(axis=0)[4] > 3 * drawn.std(axis=0)[:4].max()


def test_options_come_and_go_between_requests():
    bandit, feature = learned()
    offers = [Option(f"o{at}", (float(feature[at]),)) for at in range(5)]
    every = rank([1.0, 0.0], offers, bandit, key="k", size=3)
    some = rank([1.0, 0.0], offers[1:3], bandit, key="k", size=3)
    assert len(every.options) == 3
    assert set(some.options) == {"o1", "o2"}


def test_batches_in_parts_are_batches_in_one():
    rng = np.random.default_rng(0)
    X, feature = rng.normal(size=(200, 2)), rng.normal(size=(200, 1))
    names, reward = [f"o{at % 3}" for at in range(200)], rng.normal(size=200)

    def batch(rows):
        return BanditBatch(X[rows], names[rows], feature[rows], reward[rows])

    start = LinearBandit.new(customer_features=2, option_features=1).update(batch(slice(0, 50)))
    whole = start.update(batch(slice(50, 200)))
    parts = start.update(batch(slice(50, 90))).update(batch(slice(90, 200)))
    options = ["o0", "o1", "o2"]
    for bandit in (whole, parts):
        assert bandit.rows == 200
    first, second = (b.expected(X[:5], options, feature[:3]) for b in (whole, parts))
    assert first == pytest.approx(second)


def test_the_posterior_is_that_of_one_joint_regression():
    """All coefficients in one matrix, solved at once: the same mean and covariance."""
    rng = np.random.default_rng(0)
    X, feature = rng.normal(size=(300, 1)), np.array([[-1.0], [0.5], [1.0]])
    arm = rng.integers(3, size=300)
    reward = rng.normal(size=300) + arm * X[:, 0]
    bandit = LinearBandit.new(
        customer_features=1,
        option_features=1,
        draws=20_000,
        option_prior=2.0,
        exploration_scale=1.0,
        adaptive=False,
    )
    bandit = bandit.update(BanditBatch(X, [f"o{a}" for a in arm], feature[arm], reward))
    u = bandit.features.customers(X)
    s = bandit.features.shared(u, bandit.features.options(feature[arm]))
    own = (np.eye(3)[arm][:, :, None] * u[:, None, :]).reshape(300, -1)
    design = np.concatenate([s, own], axis=1)
    precision = design.T @ design + np.diag([0.1] * 4 + [2.0] * 6)
    mean = np.linalg.solve(precision, design.T @ reward)
    left = reward @ reward - mean @ (design.T @ reward)
    variance = (0.5 + left) / (2 + 300)
    x = np.array([[0.7]])
    of_x = bandit.features.customers(x)
    rows = np.concatenate(
        [
            bandit.features.shared(np.repeat(of_x, 3, axis=0), bandit.features.options(feature)),
            np.kron(np.eye(3), of_x),
        ],
        axis=1,
    )
    names = ["o0", "o1", "o2"]
    assert bandit.expected(x, names, feature)[0] == pytest.approx(rows @ mean)
    drawn = bandit._values(x, names, feature, drawn=True)[:, 0, :]
    exact = variance * rows @ np.linalg.solve(precision, rows.T)
    assert np.cov(drawn.T) == pytest.approx(exact, rel=0.1, abs=0.001)
    assert drawn.mean(axis=0) == pytest.approx(rows @ mean, abs=0.01)
    assert (bandit.sample(x, names, feature)[:, 0, :] >= rows @ mean - 1e-9).all()


def test_categories_are_columns_of_their_own_and_missing_is_none_of_them():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(3, size=900), rng.normal(size=900)]).astype(float)
    names = [("x", "y")[at] for at in rng.integers(2, size=900)]
    reward = np.where(np.array(names) == "x", X[:, 0] == 1, 0.3).astype(float)
    bandit = LinearBandit.new(customer_features=2, categories={0: 3})
    bandit = bandit.update(BanditBatch(X, names, np.empty((900, 0)), reward))
    empty = np.empty((2, 0))
    value = bandit.expected([[1.0, 0.0], [2.0, 0.0], [np.nan, np.nan]], ["x", "y"], empty)
    assert value[:2] == pytest.approx(np.array([[1.0, 0.3], [0.0, 0.3]]), abs=0.05)
    assert np.isfinite(value).all()


def test_same_seed_same_bytes():
    first, second = (learned()[0] for _ in range(2))
    names, feature = ["o0", "new"], np.array([[0.1], [0.2]])
    drawn = [b.sample([[1.0, 2.0]], names, feature).tobytes() for b in (first, second)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rank([0.0], [], learned()[0], key="k"), "there are no options"),
        (
            lambda: rank([0.0], [Option("a"), Option("a")], learned()[0], key="k"),
            "a name is duplicated",
        ),
        (lambda: rank([0.0], [Option("a"), Option("b", (1.0,))], learned()[0], key="k"), "differ"),
        (lambda: rank_values([[np.nan]], ["a"], key="k"), "missing or infinite"),
        (lambda: rank_values([1.0], ["a"], key="k"), "draws, options"),
    ],
)
def test_requests_that_cannot_be_ranked_are_refused(call, says):
    with pytest.raises(DataError, match=says):
        call()


def test_settings_out_of_range_are_refused():
    with pytest.raises(RecipeError, match="epsilon"):
        rank_values([[1.0]], ["a"], key="k", epsilon=1.5)
    with pytest.raises(RecipeError, match="size must be at least 1"):
        rank_values([[1.0]], ["a"], key="k", size=0)
    with pytest.raises(ValueError, match=r"must have shape \(n, 2\)"):
        learned()[0].expected([[1.0]], ["o1"], [[0.0]])
    with pytest.raises(ValueError, match="must have the same length"):
        BanditBatch(np.zeros((2, 1)), ["a"], np.zeros((1, 0)), np.zeros(1))
    with pytest.raises(ValueError, match="draws at least 1"):
        LinearBandit.new(customer_features=1, draws=0)
    with pytest.raises(ValueError, match="categories are invalid"):
        LinearBandit.new(customer_features=1, categories={3: 2})


def test_features_can_be_brought_to_one_scale_before_learning_only():
    rng = np.random.default_rng(0)
    X = rng.normal(loc=500, scale=100, size=(400, 1))
    names = ["a", "b"] * 200
    reward = np.where(np.array(names) == "a", X[:, 0] > 500, 0.5).astype(float)
    start = LinearBandit.new(customer_features=1).fit_scale(X, np.empty((2, 0)))
    bandit = start.update(BanditBatch(X, names, np.empty((400, 0)), reward))
    best = bandit.expected([[400.0], [600.0]], ["a", "b"], np.empty((2, 0))).argmax(axis=1)
    assert best.tolist() == [1, 0]
    with pytest.raises(ValueError, match="cannot change after the first update"):
        bandit.fit_scale(X, np.empty((2, 0)))


def test_columns_that_never_move_and_collinear_ones_do_no_harm():
    X = np.ones((60, 3)) * [1.0, 1.0 + 1e-12, 1e6]
    bandit = LinearBandit.new(customer_features=3).fit_scale(X, np.empty((1, 0)))
    for _ in range(3):
        bandit = bandit.update(BanditBatch(X, ["a"] * 60, np.empty((60, 0)), np.ones(60)))
    drawn = bandit.sample(X[:1], ["a", "new"], np.empty((2, 0)))
    assert np.isfinite(drawn).all()
