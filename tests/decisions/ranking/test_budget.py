"""Rankings by gain: what costs more than it brings is not shown, and budgets are kept."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from churnkit.contracts import Column
from churnkit.decisions import Action, Ranking, Where
from churnkit.decisions.ranking.budget import budget_price
from churnkit.decisions.ranking.compiled import compile_ranking, rank_rows
from churnkit.decisions.ranking.slate import rank_values, slate_probabilities
from churnkit.errors import RecipeError

COLUMNS = (
    Column("age", "number", ("feature",)),
    Column("price", "number", ("context",)),
)
OPTIONS = (
    Action("gift", "A gift", 5.0),
    Action("call", "A call", 2.0, eligible=(Where("age", ">=", 20),)),
    Action("offer", "An offer", "price"),
)


class Draws:
    """Rewards by the customer's age and the option, in a few draws."""

    def __init__(self, draws: int = 4) -> None:
        self.draws = draws

    def sample(self, customers, options, option_features):
        age = np.nan_to_num(np.asarray(customers)[:, :1])
        names = np.array([[sum(map(ord, name)) for name in options]])
        return np.stack([np.sin(age * (d + 1) + names) for d in range(self.draws)])

    def expected(self, customers, options, option_features):
        return self.sample(customers, options, option_features).mean(axis=0)


def customers(rows: int = 400) -> np.ndarray:
    generator = np.random.default_rng(8)
    return np.column_stack([generator.uniform(15, 60, rows), generator.uniform(0, 9, rows)])


def make_ranking(**changes):
    settings = {"outcome": "accepted", "size": 2, "epsilon": 0.1, "reward_value": 10.0}
    return compile_ranking(Ranking(OPTIONS, **{**settings, **changes}), COLUMNS)


def best_set(values, size):
    """Return the best set of at most `size` options and its value, by trying all sets."""
    sets = [s for n in range(size + 1) for s in combinations(range(len(values)), n)]
    return max(sets, key=lambda chosen: sum(values[i] for i in chosen))


def test_a_slate_is_the_best_set_of_options_that_pay():
    matrix, ranking = customers(), make_ranking(epsilon=0.0)
    keys = [f"k{row}" for row in range(len(matrix))]
    model = Draws(1)
    decisions = rank_rows(ranking, matrix, model, keys=keys)
    rewards = model.sample(matrix[:, :1], [o.name for o in OPTIONS], None)[0]
    for row, decision in enumerate(decisions):
        gains = 10.0 * rewards[row] - np.array([5.0, 2.0, matrix[row, 1]])
        if matrix[row, 0] < 20:
            gains[1] = -np.inf
        expected = {OPTIONS[i].name for i in best_set(gains, 2)}
        shown = () if decision.slate is None else decision.slate.options
        assert set(shown) == expected
        if decision.slate is None:
            assert (decision.reason, decision.propensity) == ("no action pays", 1.0)
        else:
            index = [[o.name for o in OPTIONS].index(name) for name in shown]
            assert decision.slate.values == pytest.approx(gains[index])
            assert list(decision.slate.values) == sorted(decision.slate.values, reverse=True)
            assert decision.costs == pytest.approx(np.array([5.0, 2.0, matrix[row, 1]])[index])


def test_the_propensities_of_short_and_empty_slates_are_their_frequencies():
    values = np.array([[0.5, -0.1, 0.2], [-0.5, -0.1, -0.2], [0.1, 0.4, -0.2], [0.5, -1.0, -0.2]])
    runs = 20_000
    slates: Counter[tuple[str, ...]] = Counter()
    places: Counter[tuple[int, str]] = Counter()
    chances, place_chances = {}, {}
    for run in range(runs):
        slate = rank_values(values, "abc", key=f"k{run}", size=3, epsilon=0.3, minimum=0.0)
        slates[slate.options] += 1
        chances[slate.options] = slate.slate_propensity
        for place, (name, p) in enumerate(zip(slate.options, slate.propensities, strict=True)):
            places[place, name] += 1
            place_chances[place, name] = p
    assert () in chances
    assert sum(chances.values()) == pytest.approx(1.0)
    for count, chance in [(slates[s], chances[s]) for s in chances] + [
        (places[at], place_chances[at]) for at in place_chances
    ]:
        assert count / runs == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / runs))
    table = slate_probabilities(values[:, None, :], size=3, epsilon=0.3, minimum=0.0)[0]
    for (place, name), chance in place_chances.items():
        assert table["abc".index(name), place] == pytest.approx(chance)


@pytest.mark.parametrize("budget", [0.0, 37.0, 250.0, 900.0])
def test_slates_keep_the_budget_and_gain_what_a_linear_program_gains(budget):
    from scipy.optimize import linprog

    matrix, ranking = customers(150), make_ranking(epsilon=0.0)
    keys = [f"k{row}" for row in range(len(matrix))]
    model = Draws(1)
    price = budget_price(ranking, matrix, model, keys=keys, budget=budget)
    decisions = rank_rows(ranking, matrix, model, keys=keys, budget_price=price)
    cost = sum(sum(d.costs) for d in decisions)
    gain = sum(sum(d.slate.values) for d in decisions if d.slate is not None)
    rewards = 10.0 * model.sample(matrix[:, :1], [o.name for o in OPTIONS], None)[0]
    costs = np.column_stack([np.full(150, 5.0), np.full(150, 2.0), matrix[:, 1]])
    allowed = np.ones_like(costs)
    allowed[matrix[:, 0] < 20, 1] = 0.0
    best = linprog(
        -(rewards - costs).ravel(),
        A_ub=np.vstack([costs.ravel(), np.kron(np.eye(150), np.ones(3))]),
        b_ub=np.concatenate([[budget], np.full(150, 2.0)]),
        bounds=[(0.0, upper) for upper in allowed.ravel()],
    )
    assert cost <= budget + 1e-9
    # A relaxed program may show a part of one option, so it gains at most one option more.
    assert gain <= -best.fun + 1e-6
    assert gain >= -best.fun - (rewards - costs).max()
    assert price >= 0.0


def test_a_budget_for_all_has_no_price():
    matrix, ranking = customers(50), make_ranking()
    keys = [f"k{row}" for row in range(50)]
    assert budget_price(ranking, matrix, Draws(), keys=keys, budget=1e6) == 0.0
    assert budget_price(ranking, matrix[:0], Draws(), keys=[], budget=0.0) == 0.0


def test_a_budget_that_cannot_be_kept_is_refused():
    matrix, keys = customers(50), [f"k{row}" for row in range(50)]
    with pytest.raises(RecipeError, match="random slates alone"):
        budget_price(make_ranking(epsilon=1.0), matrix, Draws(), keys=keys, budget=1.0)
    with pytest.raises(RecipeError, match="reward_value"):
        budget_price(make_ranking(reward_value=None), matrix, Draws(), keys=keys, budget=1.0)
    with pytest.raises(RecipeError, match="at least 0"):
        budget_price(make_ranking(), matrix, Draws(), keys=keys, budget=float("nan"))


def test_an_option_with_an_unknown_cost_is_not_shown_by_gain():
    ranking = make_ranking(epsilon=1.0, size=3)
    for price in (np.nan, -1.0, np.inf):
        [together] = rank_rows(ranking, np.array([[30.0, price]]), Draws(), keys=["k"])
        alone = ranking.rank_one([30.0, price], Draws(), key="k")
        assert set(together.eligible) == set(alone.eligible) == {"gift", "call"}
