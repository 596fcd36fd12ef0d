"""Experiments and policies evaluated from the journal."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from churnkit.errors import ChurnkitError
from churnkit.evaluation import EvaluationError
from churnkit.journal import DecisionRecord, Journal, OutcomeRecord
from churnkit.pipeline.evaluation.candidate_policy import read_policy
from churnkit.pipeline.evaluation.evaluate import (
    JournalQuery,
    LabeledScores,
    evaluate_experiment,
    evaluate_policy,
)

DAY = datetime(2026, 1, 1, tzinfo=UTC)
STAYED = JournalQuery("stayed", 30, until=DAY + timedelta(days=90), level=0.999)


def filled(journal, *, rows=1500, propensity=True, outcomes=True, seed=0):
    """A call keeps those with an even number; chance decides who is called."""
    rng = np.random.default_rng(seed)
    calls, held = rng.random(rows) < 0.5, rng.random(rows) < 0.1
    decided, seen = [], []
    for at in range(rows):
        call = bool(calls[at]) and not held[at]
        helps = 0.3 if at % 2 == 0 else -0.2
        decided.append(
            DecisionRecord(
                f"k{at}",
                f"c{at}",
                DAY,
                DAY + timedelta(days=at % 10),
                "shop",
                action="call" if call else None,
                propensity=None if held[at] or not propensity else 0.5,
                holdout="global" if held[at] else None,
            )
        )
        if outcomes and rng.random() < 0.5 + helps * call:
            seen.append(
                OutcomeRecord(f"o{at}", "stayed", 1.0, DAY + timedelta(days=25), customer=f"c{at}")
            )
    journal.record(decided)
    journal.record_outcomes(seen)
    return journal


@pytest.fixture(scope="module")
def journal():
    with Journal.open("sqlite://") as opened:
        yield filled(opened)


def test_a_policy_that_calls_the_right_half_may_replace_a_random_one(journal, tmp_path):
    plan = tmp_path / "plan.csv"
    lines = [f"c{at},{'call' if at % 2 == 0 else ''}" for at in range(1500)]
    plan.write_text("customer_id,action\n" + "\n".join(lines) + "\n")
    answer = evaluate_policy(journal, STAYED, read_policy(str(plan)))
    assert answer.replacement.verdict == "yes"
    assert answer.replacement.new["dr"].low < 0.65 < answer.replacement.new["dr"].high
    assert answer.arms == ("call", "none")
    assert answer.without_propensity > 100
    json.dumps(answer.to_dict())


def test_the_opposite_policy_may_not(journal, tmp_path):
    plan = tmp_path / "plan.csv"
    lines = [f"c{at},{at % 2},{1 - at % 2}" for at in range(1400)]
    plan.write_text("customer_id,call,none\n" + "\n".join(lines) + "\n")
    answer = evaluate_policy(journal, STAYED, read_policy(str(plan)))
    assert answer.replacement.verdict == "worse"
    assert 50 < answer.unknown < 100


def test_rules_in_one_word_are_policies_too(journal):
    none, call = (
        evaluate_policy(journal, STAYED, read_policy(message)).replacement.new["dr"].value
        for message in ("none", "always:call")
    )
    assert none == pytest.approx(0.5, abs=0.06)
    assert call == pytest.approx(0.55, abs=0.06)


def test_less_churn_is_better():
    with Journal.open("sqlite://") as opened:
        filled(opened, outcomes=False)
        opened.record_outcomes(
            OutcomeRecord(f"o{at}", "churned", 1.0, DAY + timedelta(days=20), customer=f"c{at}")
            for at in range(0, 1500, 7)
        )
        question = JournalQuery("churned", 30, until=DAY + timedelta(days=90))
        answer = evaluate_policy(opened, question, read_policy("none"))
        assert answer.replacement.old.value < 0


def test_the_holdout_estimates_the_policys_effect(journal):
    result = evaluate_experiment(journal, STAYED, shares={"global": 0.1})
    assert list(result.readouts) == ["global"]
    readout = result.readouts["global"]
    assert readout.ratio is not None
    assert readout.ratio.ok
    assert readout.effect.low < 0.025 < readout.effect.high


def test_only_selected_decisions_count(journal):
    since = JournalQuery("stayed", 30, STAYED.until, since=DAY + timedelta(days=5))
    assert evaluate_experiment(journal, since).customers == 750
    with pytest.raises(EvaluationError, match="no decisions"):
        evaluate_experiment(journal, JournalQuery("stayed", 30, policy="other"))


def test_an_empty_journal_is_refused():
    with Journal.open("sqlite://") as opened:
        for ask in (
            lambda: evaluate_experiment(opened, STAYED),
            lambda: evaluate_policy(opened, STAYED, read_policy("none")),
        ):
            with pytest.raises(EvaluationError, match="no decisions: log decisions"):
                ask()


def test_decisions_without_propensities_are_refused_with_advice():
    with Journal.open("sqlite://") as opened:
        filled(opened, rows=200, propensity=False)
        with pytest.raises(EvaluationError, match="none of 200 decisions has a propensity"):
            evaluate_policy(opened, STAYED, read_policy("none"))


def test_too_few_outcomes_are_refused_with_counts(tmp_path):
    plan = tmp_path / "plan.csv"
    plan.write_text("customer_id,action\nc0,call\nc1,\n")
    with Journal.open("sqlite://") as opened:
        filled(opened, rows=120, outcomes=False)
        with pytest.raises(EvaluationError, match="no outcome 'stayed'; it has: none"):
            evaluate_policy(opened, STAYED, read_policy("none"))
        opened.record_outcomes([OutcomeRecord("o", "stayed", 1.0, DAY, customer="c1")])
        with pytest.raises(EvaluationError, match="118 are for customers that the candidate"):
            evaluate_policy(opened, STAYED, read_policy(str(plan)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no file"),
        ("customer_id,call\nc1,1\n", "neither a column 'action'"),
        ("customer_id,call,none\nc1,0.5,0.6\n", "probabilities of 1 customers do not sum"),
        ("customer_id,call,none\nc1,x,y\n", "must be probabilities"),
        ("customer_id,action\nc1,a\nc1,b\n", "1 rows repeat a customer"),
    ],
)
def test_files_that_are_no_policy_are_refused(text, says, tmp_path):
    plan = tmp_path / "plan.csv"
    if text is not None:
        plan.write_text(text)
    with pytest.raises(ChurnkitError, match=says):
        read_policy(str(plan))
    with pytest.raises(ChurnkitError, match="has no action"):
        read_policy("always:")


def test_rows_of_one_customer_add_no_certainty_to_a_labeled_table():
    rng = np.random.default_rng(0)
    risk = rng.uniform(0.1, 0.9, 120)
    left = (rng.random(120) < risk).astype(np.int8)
    several = np.repeat(np.arange(120), 3)

    def scores(rows, customers):
        held_out = rows % 2 == 0
        return LabeledScores(
            left[rows], risk[rows], np.ones(len(rows), bool), held_out, risk[rows], customers
        )

    once = scores(np.arange(120), None)
    repeated = scores(several, several.astype(str))
    alone = scores(several, None)
    for held_out in (False, True):
        widths = [
            interval.high - interval.low
            for interval in (
                each.evaluate(name="table", held_out=held_out).metrics["brier"]
                for each in (once, repeated, alone)
            )
        ]
        assert widths[1] == pytest.approx(widths[0])
        assert widths[2] < 0.7 * widths[0]
        assert repeated.count(held_out=held_out) == once.count(held_out=held_out)
