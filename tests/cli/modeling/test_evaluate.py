"""``churnkit evaluate`` on labeled customers and on the journal."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from churnkit.evaluation import plan_experiment
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


ARGUMENTS = ("--outcome", "stayed", "--horizon-days", "10", "--until", "2026-03-01")


def test_an_experiment_is_evaluated_from_the_journal(churnkit, journal):
    code, out, err = churnkit("evaluate", *ARGUMENTS, "--journal", journal)
    assert code == 0
    assert "works" in out
    assert "churnkit evaluate --policy" in err
    code, out, _ = churnkit("evaluate", *ARGUMENTS, "--journal", journal, "--json")
    assert json.loads(out)["readouts"]["global"]["verdict"] == "works"


def test_a_covariate_narrows_the_interval(churnkit, journal, tmp_path):
    with Journal.open(journal) as opened:
        stayed = {row["customer"] for row in opened.outcomes().to_pylist()}
    rng = np.random.default_rng(1)
    rows = [f"c{at},{float(f'c{at}' in stayed) + 0.3 * rng.normal():.3f}" for at in range(600)]
    file = tmp_path / "before.csv"
    file.write_text("\n".join(["customer_id,liking", *rows]) + "\n")
    arguments = ("evaluate", *ARGUMENTS, "--journal", journal, "--json")
    plain = json.loads(churnkit(*arguments)[1])["readouts"]["global"]
    code, out, err = churnkit(
        *arguments,
        "--covariate",
        f"{file}:liking",
        "--min-detectable-effect",
        "0.05",
        "--per-day",
        "20",
    )
    assert code == 0, err
    result = json.loads(out)
    better = result["readouts"]["global"]
    assert better["variance_removed"] > 0.5
    assert better["adjusted"]["high"] - better["adjusted"]["low"] < 0.7 * (
        plain["effect"]["high"] - plain["effect"]["low"]
    )
    share = better["treated"] / (better["treated"] + better["control"])
    alone = plan_experiment(
        0.05,
        spread=better["spread"],
        share=share,
        variance_removed=better["variance_removed"],
        customers_per_day=20,
        outcome_days=10,
    )
    assert result["plan"] == alone.to_dict()
    assert "with 80% power" in err


@pytest.mark.parametrize(
    ("before", "text"),
    [
        ("nothing.csv:x", "nothing.csv"),
        ("nothing.csv", "write it as FILE:COLUMN"),
        ("{file}:y", "has no column 'y'"),
        ("{file}:word", "must hold numbers"),
        ("{file}:x", "1 rows repeat a customer"),
    ],
)
def test_a_covariate_that_cannot_be_read_is_refused(churnkit, journal, tmp_path, before, text):
    file = tmp_path / "before.csv"
    again = "a,1,z\n" if before.endswith(":x") else ""
    file.write_text(f"customer_id,x,word\na,1,z\n{again}")
    message = before.format(file=file)
    code, _, err = churnkit("evaluate", *ARGUMENTS, "--journal", journal, "--covariate", message)
    assert code == 1
    assert text in err


def test_reviews_of_recommendations_are_counted(churnkit, journal):
    with Journal.open(journal) as opened:
        called = [row["key"] for row in opened.decisions().to_pylist() if row["action"] == "call"]
        words = [
            *((key, "approve", "good") for key in called[:7]),
            *((key, "reject", "On leave") for key in called[7:10]),
            (called[10], "snooze", "asked for c99 himself"),
            (called[0], "reject", "on  leave"),
        ]
        spoken: list[tuple[str, Any, str]] = words
        opened.record(
            DecisionRecord(
                f"w{at}",
                key.replace("k", "c"),
                DAY,
                DAY + timedelta(hours=at),
                "shop",
                by="ann",
                verdict=verdict,
                about=key,
                why=why,
            )
            for at, (key, verdict, why) in enumerate(spoken)
        )
    code, out, err = churnkit("evaluate", *ARGUMENTS, "--journal", journal, "--json")
    assert code == 0, err
    (counted,) = json.loads(out)["overrides"]
    assert counted["recommended"] == len(called)
    assert (counted["approved"], counted["rejected"], counted["snoozed"]) == (6, 4, 1)
    assert counted["unreviewed"] == len(called) - 11
    assert counted["reasons"] == {"on leave": 4, "other": 1}
    assert "c99" not in out
    _, out, _ = churnkit("evaluate", *ARGUMENTS, "--journal", journal)
    assert "Reviews of recommendations" in out


def test_a_candidate_policy_is_evaluated_from_the_journal(churnkit, journal):
    arguments = ("evaluate", "--policy", "always:call", *ARGUMENTS, "--journal", journal)
    code, out, err = churnkit(*arguments)
    assert code == 0
    assert "running policy" in out
    assert "yes, the new policy may replace the running one" in err
    code, out, _ = churnkit(*arguments, "--json")
    assert json.loads(out)["may_replace"] is True


def test_an_empty_journal_and_incomplete_arguments_are_refused(churnkit, tmp_path):
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    for arguments, text in (
        (("--outcome", "stayed", "--journal", empty), "the journal has no decisions"),
        ((), "nothing to evaluate"),
        (("--policy", "none"), "nothing to evaluate"),
        (("new.csv", "--outcome", "stayed"), "one of the two"),
    ):
        code, out, err = churnkit("evaluate", *arguments)
        assert (code, out) == (1, "")
        assert text in " ".join(err.split())


@pytest.fixture(scope="module")
def shop(trained_shop):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    return trained_shop[0].root


def test_a_labeled_table_evaluates_the_model(churnkit, shop, rows_of_shop, to_csv, tmp_path):
    rows = rows_of_shop(300, seed=5)
    rows[0]["churned"] = ""
    table = to_csv(tmp_path / "labeled.csv", rows)
    code, out, err = churnkit("evaluate", table, "--json", folder=shop)
    assert code == 0, err
    result = json.loads(out)
    assert result["rows"] == 299
    assert result["metrics"]["auc"]["low"] > 0.5
    # The model was fitted on all customers of its table, so any of them may have been in it.
    assert result["possible_training_customers"] == 300
    assert "fitted on all customers of its training table" in err
    assert "held-out customers the AUC of the model fitted without them is" in err
    code, out, _ = churnkit("evaluate", table)
    assert code == 0
    assert "299 customers" in out
