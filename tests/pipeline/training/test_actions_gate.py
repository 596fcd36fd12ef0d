"""Offers change without the model: they have a gate of their own."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
# MLflow's own imports warn of other packages' deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")

CALL = """"call", "A call", 5.0, Effect(0.1, 0.2, 0.3), (Where("may_call", "==", True),),"""
# The text of an action and the beginning of the next one.
OFFER_FIRST = (
    '"offer", "An offer", 2.0, Effect(0.2, 0.3, 0.4), (Where("plan", "==", "plus"),)), Action('
)


@pytest.fixture
def train_with(shop_copy):
    """Train the shop again with other actions."""
    from churnkit.pipeline import load_recipe, train

    recipe = shop_copy.root / "training" / "shop.py"
    original = recipe.read_text()
    assert CALL in original

    def train_with(actions):
        recipe.write_text(original.replace(CALL, actions))
        return train(load_recipe(recipe))

    return train_with


def test_a_new_offer_is_promoted_with_the_scores_of_the_champion(train_with):
    result = train_with(f"{OFFER_FIRST}{CALL}")
    verdict = result.gate.actions
    assert result.promoted
    assert (verdict.added, verdict.removed, verdict.changed) == (("offer",), (), ())
    assert 0 < verdict.champion_treated < verdict.treated <= verdict.customers == 500
    assert "passed for the actions: added offer" in result.gate.says[2]
    json.dumps(result.gate.to_dict())


@pytest.mark.parametrize(
    ("actions", "reason"),
    [
        # Nobody stays as long, so the rule is a mistake of units.
        (CALL.replace('"may_call", "==", True', '"tenure_months", ">", 900'), "eligible for call"),
        (CALL.replace("5.0", "1e9"), "pays for 0 of 500 test customers"),
    ],
)
def test_offers_that_reach_nobody_are_not_promoted(train_with, actions, reason):
    result = train_with(actions)
    assert not result.promoted
    assert not result.gate.actions.passed
    assert reason in result.gate.says[2]


def test_other_limits_are_changed_actions_too(train_with):
    result = train_with(f"{CALL} capacity=50,")
    assert result.promoted
    assert result.gate.actions.changed == ("call",)
    assert result.gate.actions.treated == result.gate.actions.champion_treated
