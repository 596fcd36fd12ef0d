"""``churnkit evaluate``: the model on labelled customers, and the journal's verdicts."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from churnkit.journal import DecisionRecord, Journal, OutcomeRecord

DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path):
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    rng = np.random.default_rng(0)
    with Journal.open(url) as opened:
        called, held = rng.random(600) < 0.5, rng.random(600) < 0.2
        opened.record(
            DecisionRecord(
                f"k{at}",
                f"c{at}",
                DAY,
                DAY,
                "shop",
                action="call" if called[at] and not held[at] else None,
                propensity=None if held[at] else 0.5,
                holdout="global" if held[at] else None,
            )
            for at in range(600)
        )
        opened.record_outcomes(
            OutcomeRecord(f"o{at}", "stayed", 1.0, DAY + timedelta(days=9), customer=f"c{at}")
            for at in range(600)
            if rng.random() < 0.4 + 0.3 * (called[at] and not held[at])
        )
    return url


ASKED = ("--outcome", "stayed", "--horizon-days", "10", "--until", "2026-03-01")


def test_the_journal_says_what_worked(churnkit, journal):
    code, out, err = churnkit("evaluate", *ASKED, "--journal", journal)
    assert code == 0
    assert "works" in out
    assert "churnkit evaluate --policy" in err
    code, out, _ = churnkit("evaluate", *ASKED, "--journal", journal, "--json")
    assert json.loads(out)["readouts"]["global"]["verdict"] == "works"


def test_the_journal_says_whether_a_policy_may_replace_the_running_one(churnkit, journal):
    asked = ("evaluate", "--policy", "always:call", *ASKED, "--journal", journal)
    code, out, err = churnkit(*asked)
    assert code == 0
    assert "the running policy" in out
    assert "yes, the new policy may replace the running one" in err
    code, out, _ = churnkit(*asked, "--json")
    assert json.loads(out)["may_replace"] is True


def test_an_empty_journal_and_half_a_question_are_refused_with_a_message(churnkit, tmp_path):
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    for asked, says in (
        (("--outcome", "stayed", "--journal", empty), "the journal has no decisions"),
        ((), "say what to evaluate"),
        (("--policy", "none"), "say what to evaluate"),
        (("new.csv", "--outcome", "stayed"), "one of the two"),
    ):
        code, out, err = churnkit("evaluate", *asked)
        assert (code, out) == (1, "")
        assert says in " ".join(err.split())


@pytest.fixture(scope="module")
def shop(trained_shop):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    return trained_shop[0].root


def test_a_labelled_table_measures_the_model(churnkit, shop, rows_of_shop, to_csv, tmp_path):
    rows = rows_of_shop(300, seed=5)
    rows[0]["churned"] = ""
    table = to_csv(tmp_path / "labelled.csv", rows)
    code, out, err = churnkit("evaluate", table, "--json", folder=shop)
    assert code == 0, err
    found = json.loads(out)
    assert found["rows"] == 299
    assert found["metrics"]["auc"]["low"] > 0.5
    code, out, _ = churnkit("evaluate", table)
    assert code == 0
    assert "299 customers" in out
