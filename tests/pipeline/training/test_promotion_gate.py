"""The gate of a model that differs from the champion in its actions alone."""

import re

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import log_loss

from churnkit.evaluation import METRICS
from churnkit.pipeline.training.actions_gate import ActionsVerdict
from churnkit.pipeline.training.promotion_gate import PromotionGate

RNG = np.random.default_rng(5)
RISK = RNG.random(400)
LEFT = (RNG.random(400) < RISK).astype(float)
RULE = np.full(400, 0.5)
OFFERS, BAD_OFFERS = (
    ActionsVerdict(
        passed=passed,
        customers=400,
        added=("offer",),
        removed=(),
        changed=(),
        unreachable=() if passed else ("offer",),
        treated=5,
        champion_treated=4,
        says="the actions",
    )
    for passed in (True, False)
)


@pytest.mark.parametrize(
    ("champion", "actions", "passed"),
    [
        (RISK, OFFERS, True),
        (RISK, BAD_OFFERS, False),
        (RISK, None, False),
        (np.clip(RISK + 1e-9, 0, 1), OFFERS, False),
    ],
)
def test_new_offers_pass_only_with_the_scores_of_the_champion(champion, actions, passed):
    result = PromotionGate().judge(LEFT, RISK, RULE, champion, rule="half", seed=0, actions=actions)
    assert result.passed == passed
    is_decisive = champion is RISK and actions is not None
    assert ("other actions" in result.says[1]) == is_decisive
    assert result.actions is (actions if is_decisive else None)
    assert (result.says[-1] == "the actions") == is_decisive


def test_new_offers_do_not_carry_a_model_over_the_rule():
    result = PromotionGate().judge(LEFT, RULE, RULE, RULE, rule="half", seed=0, actions=OFFERS)
    assert not result.passed


def test_customers_that_the_champion_was_trained_on_are_not_compared():
    # It gives all unseen customers the same risk, and knows the outcomes of the others.
    champion = np.where(np.arange(400) < 200, 0.5, LEFT * 0.98 + 0.01)
    assert not PromotionGate().judge(LEFT, RISK, RULE, champion, rule="half", seed=0).passed
    unseen = np.where(np.arange(400) < 200, champion, np.nan)
    result = PromotionGate().judge(LEFT, RISK, RULE, unseen, rule="half", seed=0)
    assert result.passed
    assert result.says[1].endswith("on the 200 of 400 rows that it was not trained on")
    expected = PromotionGate().judge(
        LEFT[:200], RISK[:200], RULE[:200], champion[:200], rule="half", seed=0
    )
    assert result.champion == expected.champion


def test_a_model_must_beat_the_overall_churn_rate_as_well_as_the_rule():
    rate = np.full(400, LEFT.mean())
    worse_than_none = np.clip(rate + 0.9 * (RNG.random(400) - 0.5), 0.01, 0.99)
    result = PromotionGate().judge(LEFT, rate, worse_than_none, None, rule="noise", seed=0)
    assert result.baseline.verdict == "better"
    assert not result.passed
    assert result.says[-1].startswith("FAILED against the overall churn rate")
    assert "These features do not predict the label" in result.says[-1]


def test_a_model_that_predicts_needs_no_proof_against_the_rule():
    nearly = np.clip(RISK + np.random.default_rng(0).normal(0, 0.05, 400), 0.01, 0.99)
    result = PromotionGate().judge(LEFT, RISK, nearly, None, rule="noisy", seed=0)
    assert result.baseline.verdict == "no difference"
    assert result.baseline.gain.value > 0
    assert result.passed
    assert ": ahead as estimated, which suffices; no detectable difference" in result.says[0]
    assert result.says[1].startswith("passed against the overall churn rate: better")
    refused = PromotionGate().judge(LEFT, nearly, RISK, None, rule="better", seed=0)
    assert not refused.passed
    assert "One column predicts as well as all: act on the rule" in refused.says[0]


def test_other_metrics_ask_for_the_whole_interval_over_the_rule():
    # A constant churn rate is no opponent for them, so a rule of noise would pass by chance.
    some = np.arange(60)
    nearly = np.clip(RISK + np.random.default_rng(0).normal(0, 0.05, 400), 0.01, 0.99)
    result = PromotionGate("auc").judge(
        LEFT[some], RISK[some], nearly[some], None, rule="noisy", seed=0
    )
    assert result.baseline.verdict == "no difference"
    assert not result.passed


# A model whose probabilities barely differ, on few customers.
FEW = np.arange(30)
FAINT = LEFT[FEW].mean() + 0.04 * np.random.default_rng(1).normal(size=30) + 0.01 * LEFT[FEW]
HALF = np.full(30, 0.5)


def test_a_refusal_of_a_small_test_states_how_many_customers_show_the_gain():
    y = LEFT[FEW]
    result = PromotionGate().judge(y, FAINT, HALF, None, rule="half", seed=0)
    assert not result.passed
    found = re.search(r"about ([\d,]+) show a gain", result.says[-1])
    assert found is not None
    needed = int(found[1].replace(",", ""))
    rarer = int(min(y.sum(), 30 - y.sum()))
    assert f"{rarer} test customers of the rarer outcome are too few" in result.says[-1]
    times = -(-needed // rarer)
    assert times > 1
    for number, shown in ((2 * times, True), (max(times // 2, 1), False)):
        left, faint, half = (np.tile(each, number) for each in (y, FAINT, HALF))
        large = PromotionGate().judge(left, faint, half, None, rule="half", seed=0)
        assert large.passed == shown


# Log-odds that are several times too large, on customers whose outcomes are drawn from the true ones.
LOGIT = 0.8 * np.random.default_rng(3).normal(size=400)
CHURNED = (np.random.default_rng(4).random(400) < 1 / (1 + np.exp(-LOGIT))).astype(float)
BASE = np.full(400, CHURNED.mean())


def overconfident(times):
    return 1 / (1 + np.exp(-times * LOGIT))


def test_probabilities_worse_than_the_rate_are_told_from_churn_that_moved():
    model = overconfident(4)
    ranks = mannwhitneyu(model[CHURNED == 1], model[CHURNED == 0], alternative="greater")
    assert ranks.pvalue < 1e-6
    assert log_loss(CHURNED, model) > log_loss(CHURNED, BASE)
    for is_forward, cause in ((False, "over-confident"), (True, "at the tested dates may differ")):
        result = PromotionGate().judge(
            CHURNED, model, BASE, None, rule="rate", seed=0, is_forward=is_forward
        )
        assert not result.passed
        assert "ranks customers better than chance" in result.says[-1]
        assert cause in result.says[-1]
        assert ("dates" in result.says[-1]) == is_forward
        assert "do not predict" not in result.says[-1]


@pytest.mark.parametrize("is_forward", [False, True])
def test_an_uncertain_gain_of_a_model_that_ranks_states_the_customers_that_show_it(is_forward):
    model = overconfident(2)
    gain = log_loss(CHURNED, BASE) - log_loss(CHURNED, model)
    assert gain > 0
    assert mannwhitneyu(model[CHURNED == 1], model[CHURNED == 0]).pvalue < 1e-6
    result = PromotionGate().judge(
        CHURNED, model, BASE, None, rule="rate", seed=0, is_forward=is_forward
    )
    assert not result.passed
    assert "ranks customers" not in result.says[-1]
    found = re.search(r"about ([\d,]+) show a gain", result.says[-1])
    assert found is not None
    # By the normal approximation of the mean gain per customer.
    losses = [-np.log(np.where(CHURNED == 1, p, 1 - p)) for p in (BASE, model)]
    half_width = 1.96 * np.std(losses[0] - losses[1]) / 20
    rarer = min(CHURNED.sum(), 400 - CHURNED.sum())
    assert int(found[1].replace(",", "")) == pytest.approx(
        rarer * (half_width / gain) ** 2, rel=0.2
    )


def test_a_rule_that_predicts_nothing_is_not_recommended():
    noise = np.clip(0.5 + 0.05 * np.random.default_rng(7).normal(size=400), 0.01, 0.99)
    assert log_loss(CHURNED, noise) > log_loss(CHURNED, BASE)
    worse = np.clip(noise + 0.2 * np.random.default_rng(8).normal(size=400), 0.01, 0.99)
    result = PromotionGate().judge(CHURNED, worse, noise, None, rule="noise", seed=0)
    assert not result.passed
    assert result.baseline.gain.value < 0
    assert "act on the rule" not in result.says[0]
    assert "These features do not predict the label" in result.says[-1]


def test_columns_are_not_said_to_predict_nothing_where_the_rule_predicts():
    noise = np.clip(0.5 + 0.2 * np.random.default_rng(8).normal(size=400), 0.01, 0.99)
    rule = overconfident(1)
    assert log_loss(CHURNED, rule) < log_loss(CHURNED, BASE) - 0.03
    result = PromotionGate().judge(CHURNED, noise, rule, None, rule="logit", seed=0)
    assert not result.passed
    assert "act on the rule" in result.says[0]
    assert "do not predict" not in " ".join(result.says)


@pytest.mark.parametrize("metric", METRICS)
def test_each_metric_recommends_a_rule_that_predicts(metric):
    noise = np.clip(0.5 + 0.2 * np.random.default_rng(8).normal(size=400), 0.01, 0.99)
    result = PromotionGate(metric).judge(CHURNED, noise, overconfident(1), None, rule="", seed=0)
    assert "act on the rule" in result.says[0]


def test_rows_of_one_customer_do_not_carry_a_model_through_the_gate():
    left, faint, half = (np.repeat(each, 2000) for each in (LEFT[FEW], FAINT, HALF))
    assert PromotionGate().judge(left, faint, half, None, rule="half", seed=0).passed
    customers = np.repeat(FEW, 2000)
    judged = PromotionGate().judge(
        left, faint, half, None, rule="half", seed=0, customers=customers
    )
    assert not judged.passed


def test_a_champion_that_saw_all_churners_fails_the_gate_in_words():
    y = np.array([0, 1] * 60)
    probability, rule = np.where(y == 1, 0.8, 0.2), np.full(120, 0.5)
    for champion in (np.where(y == 1, np.nan, 0.2), np.full(120, np.nan)):
        result = PromotionGate().judge(y, probability, rule, champion, rule="none", seed=0)
        assert not result.passed
        assert result.champion is None
        assert "do not have both outcomes" in " ".join(result.says)
