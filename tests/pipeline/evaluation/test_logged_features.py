"""Features and list positions of logged rankings, in off-policy evaluation."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from churnkit.errors import ChurnkitError
from churnkit.journal import DecisionRecord, Journal, OutcomeRecord
from churnkit.pipeline.evaluation.candidate_policy import read_policy
from churnkit.pipeline.evaluation.evaluate import JournalQuery, evaluate_policy
from churnkit.pipeline.evaluation.logged_features import (
    logged_features,
    logged_positions,
    read_details,
)

DAY = datetime(2026, 1, 1, tzinfo=UTC)
CLICKED = JournalQuery("clicked", 7, until=DAY + timedelta(days=60))
OPTIONS = ("a", "b", "c")


def test_numbers_words_and_gaps_become_columns():
    rows: list[dict[str, Any]] = [
        {"row": {"age": 30, "plan": "x", "new": True, "same": 1}},
        {"row": {"age": None, "plan": "y", "new": False, "same": 1}},
        {"row": {"age": 50.0, "plan": None, "new": True, "same": 1}},
        {},
    ]
    outcome = logged_features(rows)
    assert outcome is not None
    assert np.isfinite(outcome).all()
    # Age and whether it is known, new and whether it is known, and two words; same: its gap alone.
    assert outcome.shape == (4, 7)
    assert logged_features([{}, {}]) is None
    assert logged_features(read_details([None, "[]", '{"row": 3}'])) is None
    assert logged_positions([{}, {}]) is None


@pytest.fixture(scope="module")
def journal():
    """Lists of two by chance; who is tagged x clicks on a, others on b, the first place more."""
    rng = np.random.default_rng(4)
    decided, seen = [], []
    for at in range(1500):
        tag = "x" if at % 2 else "y"
        shown = rng.permutation(3)[:2]
        for index, option in enumerate(shown.tolist(), start=1):
            key = f"s{at}.{index}"
            right = OPTIONS[option] == ("a" if tag == "x" else "b")
            decided.append(
                DecisionRecord(
                    key,
                    f"c{at}",
                    DAY,
                    DAY,
                    "club",
                    action=OPTIONS[option],
                    propensity=1 / 3,
                    detail={"row": {"tag": tag}, "place": index, "slate": f"s{at}"},
                )
            )
            if rng.random() < (0.5 if right else 0.1) / index:
                seen.append(OutcomeRecord(f"o{key}", "clicked", 1.0, DAY, decision=key))
    with Journal.open("sqlite://") as opened:
        opened.record(decided)
        opened.record_outcomes(seen)
        yield opened


def lists(tmp_path, *, right):
    file = tmp_path / "lists.csv"
    lines = ["customer_id,place,action"]
    for at in range(1500):
        best = ("a" if at % 2 else "b") if right else ("b" if at % 2 else "a")
        lines += [f"c{at},1,{best}", f"c{at},2,c"]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def test_lists_are_evaluated_by_position(journal, tmp_path):
    answer = evaluate_policy(journal, CLICKED, read_policy(lists(tmp_path, right=True)))
    value = answer.replacement.new["dr"]
    # The first place is right for all (.5), the second for none (.05): .275 a place.
    assert value.low < 0.275 < value.high
    assert answer.replacement.verdict == "yes"
    wrong = evaluate_policy(journal, CLICKED, read_policy(lists(tmp_path, right=False)))
    assert wrong.replacement.verdict == "worse"
    assert json.dumps(answer.to_dict())


def test_logged_features_narrow_the_interval(journal, tmp_path, monkeypatch):
    policy = read_policy(lists(tmp_path, right=True))
    result = evaluate_policy(journal, CLICKED, policy).replacement.new["dr"]
    monkeypatch.setattr(
        "churnkit.pipeline.evaluation.evaluate.logged_features", lambda _details: None
    )
    blind = evaluate_policy(journal, CLICKED, policy).replacement.new["dr"]
    assert result.high - result.low < blind.high - blind.low


def test_lists_that_cannot_be_are_refused(tmp_path):
    file = tmp_path / "lists.csv"
    file.write_text("customer_id,place,action\nc1,1,a\nc1,1,b\n")
    with pytest.raises(ChurnkitError, match="1 rows repeat a place"):
        read_policy(str(file))
    file.write_text("customer_id,place,action\nc1,first,a\n")
    with pytest.raises(ChurnkitError, match="must hold integers"):
        read_policy(str(file))
    file.write_text("customer_id,place,action\nc1,,\nc2,1,a\n")
    outcome = read_policy(str(file))
    assert outcome.probabilities(["c1", "c2", "c2"], ["a", "none"], [0, 0, 1]).tolist() == [
        [0.0, 1.0],
        [1.0, 0.0],
        [0.0, 1.0],
    ]
