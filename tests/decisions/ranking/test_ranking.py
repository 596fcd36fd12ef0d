"""Rankings as data, what bars an option, and propensities that are frequencies."""

from __future__ import annotations

from collections import Counter
from datetime import date

import numpy as np
import pytest

from churnkit.contracts import Column
from churnkit.decisions import (
    Action,
    Catalogue,
    ContactLimit,
    ContactPolicy,
    DecisionContext,
    Event,
    History,
    Ranking,
    Where,
)
from churnkit.decisions.ranking.compiled import compile_ranking, rank_rows
from churnkit.errors import DataError, RecipeError
from churnkit.models import BanditBatch, LinearBandit

COLUMNS = (
    Column("age", "number", ("feature",)),
    Column("plan", "string", ("feature",), levels=("basic", "plus", "pro")),
    Column("born", "datetime", ("feature",)),
    Column("town", "string", ("feature",), levels=tuple(map(str, range(51)))),
    Column("may_mail", "boolean", ("context",)),
)
ROW = [30.0, 1.0, 0.0, 7.0, 1.0]
OPTIONS = (
    Action("spa", "A day in the spa", features=(1.0,)),
    Action("pro", "A month of pro", eligible=(Where("plan", "!=", "pro"),), features=(0.0,)),
    Action("mail", "A letter", consent="may_mail", features=(0.5,)),
)
RANKING = Ranking(OPTIONS, outcome="accepted", size=2)
COMPILED = compile_ranking(RANKING, COLUMNS)


class Fixed:
    """Values that are known: the earlier option is worth more, or less in the second draw."""

    def sample(self, customers, options, option_features):
        names = [option.name for option in OPTIONS]
        worth = np.array([-float(names.index(name)) for name in options])
        return np.stack([worth, -worth])[:, None, :]

    def expected(self, customers, options, option_features):
        return np.array([[float(len(name)) for name in options]])


def test_it_survives_json():
    full = Ranking(
        (Action("a", "A", 2.0, valid_from=date(2026, 1, 1), holdout=0.1),),
        outcome="spend",
        size=3,
        days=30,
        epsilon=0.2,
        columns=("age",),
        contact=ContactPolicy((ContactLimit(1, days=7),)),
        holdout=0.05,
        salt="s",
        half_life=500.0,
        reward_value=12.0,
    )
    assert Ranking.from_dict(full.to_dict()) == full


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": ()}, "at least one"),
        ({"options": (*OPTIONS, OPTIONS[0])}, "'spa'"),
        ({"options": (*OPTIONS, Action("x", "X"))}, "same number of features"),
        ({"outcome": " "}, "must be a kind of outcome"),
        ({"size": 0}, "at least 1"),
        ({"size": True}, "at least 1"),
        ({"days": 0}, "above zero"),
        ({"epsilon": 1.5}, "from 0 to 1"),
        ({"columns": "age"}, "tuple of column names"),
        ({"holdout": -0.1}, "from 0 to 1"),
        ({"contact": ContactPolicy((ContactLimit(1, 7, action="gone"),))}, "no action has"),
        ({"reward_value": 0.0}, "above zero"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_declared(change, said):
    given = {"options": OPTIONS, "outcome": "accepted"}
    with pytest.raises(RecipeError, match=said):
        Ranking(**{**given, **change})


@pytest.mark.parametrize(
    "foreign",
    [None, 3, {}, {"format": 2}, {"format": True}, {"format": 1}, {"format": "9" * 5_000}],
)
def test_foreign_json_is_refused(foreign):
    with pytest.raises(RecipeError) as refusal:
        Ranking.from_dict(foreign)
    assert len(str(refusal.value)) < 300


def test_a_catalogue_needs_effects_and_says_what_to_do():
    with pytest.raises(RecipeError, match=r"'spa': a catalogue needs an effect.*Ranking"):
        Catalogue(OPTIONS)


def test_it_learns_from_features_alone_and_from_few_levels():
    assert [column.name for column in COMPILED.columns] == ["age", "plan"]
    assert COMPILED.indices == (0, 1)
    assert COMPILED.categories == {1: 3}
    assert compile_ranking(Ranking(OPTIONS, "accepted", columns=("town",)), COLUMNS).categories == {
        0: 51
    }


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("colour",), "'colour' is not a feature"),
        (("may_mail",), "not a feature"),
        (("born",), "dat"),
    ],
)
def test_what_it_cannot_learn_from_is_named(columns, said):
    with pytest.raises(RecipeError, match=said):
        compile_ranking(Ranking(OPTIONS, "accepted", columns=columns), COLUMNS)


def test_an_option_of_an_unknown_column_is_refused():
    lost = Action("x", "X", eligible=(Where("colour", "==", "red"),))
    with pytest.raises(RecipeError, match=r"'x'.*'colour'"):
        compile_ranking(Ranking((lost,), "accepted"), COLUMNS)


def test_barred_options_are_in_no_list():
    barred = [30.0, 2.0, 0.0, 7.0, 0.0]
    found = COMPILED.rank_one(barred, Fixed(), key="k")
    assert (found.eligible, found.action) == (("spa",), "spa")
    assert found.slate is not None
    assert found.slate.options == ("spa",)
    assert (found.slate.propensities, found.slate.values) == ((1.0,), (3.0,))


def test_where_nothing_is_open_the_nearest_bar_is_named():
    only = compile_ranking(Ranking((OPTIONS[2],), "accepted"), COLUMNS)
    found = only.rank_one([30.0, 2.0, 0.0, 7.0, 0.0], Fixed(), key="k")
    assert (found.slate, found.action, found.reason) == (None, None, "no consent")


def test_who_it_is_must_be_said_where_it_matters():
    held = compile_ranking(Ranking(OPTIONS, "accepted", holdout=1.0), COLUMNS)
    with pytest.raises(RecipeError, match="holdouts"):
        held.rank_one(ROW, Fixed(), key="k")
    context = DecisionContext(["c1"], date(2026, 11, 1))
    assert held.rank_one(ROW, Fixed(), key="k", context=context).reason == "held out"


def test_a_contact_limit_takes_an_option_out():
    policy = ContactPolicy((ContactLimit(1, days=7, action="spa"),))
    limited = compile_ranking(Ranking(OPTIONS, "accepted", contact=policy), COLUMNS)
    past = History(
        {"c1": [Event(at=DecisionContext(["c1"], date(2026, 11, 1)).moment, action="spa")]}
    )
    context = DecisionContext(["c1"], date(2026, 11, 2), past)
    assert limited.rank_one(ROW, Fixed(), key="k", context=context).eligible == ("pro", "mail")


def test_propensities_are_the_frequencies_of_what_is_shown():
    ranking = compile_ranking(Ranking(OPTIONS, "accepted", size=2, epsilon=0.3), COLUMNS)
    runs = 20_000
    counted: Counter[tuple[int, str]] = Counter()
    told: dict[tuple[int, str], float] = {}
    for run in range(runs):
        slate = ranking.rank_one(ROW, Fixed(), key=f"k{run}").slate
        assert slate is not None
        for place, (name, chance) in enumerate(zip(slate.options, slate.propensities, strict=True)):
            counted[place, name] += 1
            told[place, name] = chance
    assert len(told) == 6
    for at, chance in told.items():
        error = 4.0 * np.sqrt(chance * (1 - chance) / runs)
        assert counted[at] / runs == pytest.approx(chance, abs=error)


def test_the_same_key_and_state_give_the_same_list():
    bandit = LinearBandit.new(customer_features=2, option_features=1, categories={1: 3})
    first = COMPILED.rank_one(ROW, bandit, key="k")
    again = COMPILED.rank_one(ROW, bandit, key="k")
    assert first == again
    assert first.reason in {"ranked by what was learned", "chosen by chance"}


def test_the_digest_is_of_what_a_state_is_learned_from():
    other = compile_ranking(Ranking(OPTIONS[:2], "spend", size=1, epsilon=0.5), COLUMNS)
    assert other.digest == COMPILED.digest
    fewer = compile_ranking(Ranking(OPTIONS, "accepted", columns=("age",)), COLUMNS)
    assert fewer.digest != COMPILED.digest
    plain = compile_ranking(Ranking((Action("a", "A"),), "accepted"), COLUMNS)
    assert plain.digest != COMPILED.digest


def test_a_table_gets_the_lists_that_each_customer_gets_alone():
    generator = np.random.default_rng(5)
    rows = 300
    matrix = np.column_stack(
        [
            generator.normal(40, 10, rows),
            generator.integers(0, 3, rows),
            np.zeros(rows),
            np.zeros(rows),
            generator.integers(0, 2, rows),
        ]
    ).astype(float)
    matrix[::7, 0] = np.nan
    ranking = compile_ranking(
        Ranking(OPTIONS, "accepted", size=2, epsilon=0.2, holdout=0.1), COLUMNS
    )
    bandit = LinearBandit.new(customer_features=2, option_features=1, categories={1: 3})
    batch = BanditBatch(
        matrix[:, :2],
        [OPTIONS[k].name for k in range(3)] * 100,
        np.array([OPTIONS[k].features for k in range(3)] * 100),
        generator.random(rows),
    )
    bandit = bandit.update(batch)
    keys = [f"k{row}" for row in range(rows)]
    context = DecisionContext([f"c{row}" for row in range(rows)], date(2026, 11, 1))
    found = rank_rows(ranking, matrix, bandit, keys=keys, context=context)
    for row, together in enumerate(found):
        alone = ranking.rank_one(
            matrix[row].tolist(),
            bandit,
            key=keys[row],
            context=DecisionContext([f"c{row}"], context.as_of),
        )
        assert (together.reason, together.eligible) == (alone.reason, alone.eligible)
        if alone.slate is None:
            assert together.slate is None
            continue
        assert together.slate is not None
        assert together.slate.options == alone.slate.options
        assert together.slate.propensities == pytest.approx(alone.slate.propensities)
        assert together.slate.values == pytest.approx(alone.slate.values)
    assert {ranked.reason for ranked in found} >= {"held out", "chosen by chance"}
    with pytest.raises(DataError, match="one per row"):
        rank_rows(ranking, matrix, bandit, keys=keys[1:], context=context)
    assert rank_rows(COMPILED, matrix[:0], bandit, keys=[]) == []


def test_a_half_life_is_stored_only_if_it_is_set():
    plain = Ranking((Action("a", "A"),), outcome="clicked")
    assert not {"half_life", "reward_value"} & set(plain.to_dict())
    assert Ranking.from_dict(plain.to_dict()) == plain
    forgetting = Ranking((Action("a", "A"),), outcome="clicked", half_life=500)
    assert Ranking.from_dict(forgetting.to_dict()).half_life == 500.0
    with pytest.raises(RecipeError, match="half_life must be at least 1"):
        Ranking((Action("a", "A"),), outcome="clicked", half_life=0.2)
