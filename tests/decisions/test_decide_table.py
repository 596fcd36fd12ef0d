"""Decisions for a table of customers: who gets what, and why."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from churnkit.contracts import Column
from churnkit.decisions import (
    REASONS,
    Action,
    Catalogue,
    Effect,
    Where,
    decide,
    decide_one,
)
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.errors import RecipeError

COLUMNS = (
    Column("plan", "string", ("feature",), levels=("monthly", "yearly")),
    Column("tenure", "integer", ("feature",)),
    Column("fee", "number", ("feature", "value")),
    Column("gift", "number", ("cost",)),
)
CALL = Action("call", "A call", 10.0, Effect(0.05, 0.1, 0.15))
CONTRACT = Action(
    "contract",
    "A year's contract",
    40.0,
    Effect(0.1, 0.3, 0.5),
    (Where("plan", "==", "monthly"), Where("tenure", ">=", 6)),
)
GIFT = Action("gift", "A gift", "gift", Effect(0.0, 0.2, 0.4), (Where("plan", "==", "yearly"),))
CATALOGUE = Catalogue((CALL, CONTRACT, GIFT), periods=12, margin=0.5)
COMPILED = compile_catalogue(CATALOGUE, COLUMNS)
# Two months' and two years' customers, one of unknown value.
MATRIX = np.array(
    [
        [0.0, 12.0, 100.0, 5.0],
        [0.0, 3.0, 100.0, 5.0],
        [1.0, 24.0, 80.0, 5.0],
        [1.0, 24.0, 1.0, 5.0],
        [1.0, 24.0, math.nan, 5.0],
    ]
)
RISK = [0.9, 0.9, 0.5, 0.5, 0.9]


def test_each_customer_gets_the_best_action_that_pays_and_the_reason():
    decisions = decide(RISK, MATRIX, COMPILED)
    assert decisions.action_name == ["contract", "call", "call", None, None]
    assert decisions.reason == [
        "highest expected gain",
        "only action that pays",
        "only action that pays",
        "no action pays",
        "not eligible for any action",
    ]
    # .9 x 100 x 6 = 540 is at stake: 540 x (.1, .3, .5) - 40.
    columns = decisions.to_columns()
    assert columns["expected_gain"].tolist() == pytest.approx([122, 44, 14, 0, 0])
    assert columns["gain_low"].tolist() == pytest.approx([14, 17, 2, 0, 0])
    assert columns["gain_high"].tolist() == pytest.approx([230, 71, 26, 0, 0])
    assert columns["cost"].tolist() == [40.0, 10.0, 10.0, 0.0, 0.0]
    assert decisions.to_dict()["actions"] == {"call": 2, "contract": 1, "gift": 0}
    assert len(decisions) == 5


def test_acting_on_the_expected_gain_sends_out_what_may_also_lose():
    decisions = decide(RISK, MATRIX, COMPILED, decision_bound="expected")
    # The gift may have no effect at all, yet is expected to bring 240 x .2 - 5.
    assert decisions.action_name == ["contract", "call", "gift", None, None]
    assert decisions.low[2] == -5.0


def test_a_small_budget_goes_where_it_brings_most():
    decisions = decide(RISK, MATRIX, COMPILED, budget=25.0)
    assert decisions.action_name == ["call", "call", None, None, None]
    assert decisions.reason[0] == "best use of budget and capacity"
    assert decisions.reason[2] == "budget spent elsewhere"
    assert decisions.plan.cost <= 25.0


def test_a_full_action_says_so():
    call = Action("call", "A call", 10.0, CALL.effect, capacity=1)
    compiled = compile_catalogue(Catalogue((call,), periods=12), COLUMNS)
    decisions = decide([0.9, 0.5], MATRIX[[0, 0]], compiled)
    assert decisions.action_name == ["call", None]
    assert decisions.reason[1] == "capacity full"


def test_a_paused_action_is_full_for_everyone():
    call = Action("call", "A call", 10.0, CALL.effect, capacity=0)
    compiled = compile_catalogue(Catalogue((call,), periods=12), COLUMNS)
    assert decide([0.9], MATRIX[:1], compiled).reason == ["capacity full"]
    assert decide_one(0.9, MATRIX[0].tolist(), compiled).reason == "capacity full"


def test_customers_who_were_not_scored_get_nothing_and_disturb_nobody():
    decisions = decide([math.nan, 0.9], MATRIX[[0, 0]], COMPILED, budget=40.0)
    assert decisions.action_name == [None, "contract"]
    assert decisions.reason[0] == "not scored"


def test_no_customers_give_no_decisions():
    decisions = decide([], MATRIX[:0], COMPILED, budget=10.0)
    assert decisions.to_columns()["action"] == []


def test_settings_that_make_no_sense_are_refused_on_both_paths():
    word: Any = "high"
    with pytest.raises(RecipeError, match="decision_bound"):
        decide_one(0.5, MATRIX[0].tolist(), COMPILED, decision_bound=word)
    with pytest.raises(RecipeError, match="decision_bound"):
        decide([0.5], MATRIX[:1], COMPILED, decision_bound=word)
    with pytest.raises(RecipeError, match="budget"):
        decide_one(0.5, MATRIX[0].tolist(), COMPILED, budget=-1)
    with pytest.raises(RecipeError, match="budget"):
        decide([0.5], MATRIX[:1], COMPILED, budget=-1)


def test_every_reason_is_a_word_of_the_list():
    assert len(set(REASONS)) == len(REASONS) == 18


def test_importing_decisions_loads_numpy_and_nothing_heavier():
    code = (
        "import sys, churnkit.decisions; "
        "heavy = {'scipy', 'pandas', 'sklearn', 'lightgbm', 'pandera', 'numba', 'pyarrow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
