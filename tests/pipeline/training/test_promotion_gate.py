"""The gate of a model that differs from the champion in its actions alone."""

import numpy as np
import pytest

from churnkit.pipeline.training.promotion_gate import PromotionGate

RNG = np.random.default_rng(5)
RISK = RNG.random(400)
LEFT = (RNG.random(400) < RISK).astype(float)
RULE = np.full(400, 0.5)


@pytest.mark.parametrize(
    ("champion", "other_actions", "passed"),
    [(RISK, True, True), (RISK, False, False), (np.clip(RISK + 1e-9, 0, 1), True, False)],
)
def test_new_offers_pass_only_with_the_scores_of_the_champion(champion, other_actions, passed):
    result = PromotionGate().judge(
        LEFT, RISK, RULE, champion, rule="half", seed=0, other_actions=other_actions
    )
    assert result.passed == passed
    assert ("other actions" in result.says[1]) == passed


def test_new_offers_do_not_carry_a_model_over_the_rule():
    result = PromotionGate().judge(LEFT, RULE, RULE, RULE, rule="half", seed=0, other_actions=True)
    assert not result.passed
