"""Learning from the journal: which decisions count, once, and what they teach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from churnkit.batch import learn
from churnkit.bundle.contents import ModelContents
from churnkit.bundle.model import RetentionModel
from churnkit.bundle.parts.bandit import load_bandit
from churnkit.bundle.parts.ranker import Ranker
from churnkit.contracts import Column, Contract
from churnkit.decisions import Action, Ranking
from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.errors import BundleError, RecipeError
from churnkit.journal import DecisionRecord, Journal, OutcomeRecord
from churnkit.models import BanditBatch, LinearBandit
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OPTIONS = (Action("a", "A", features=(1.0,)), Action("b", "B", features=(0.0,)))


def model_of(**changes):
    contract = Contract(
        "club",
        (
            Column("id", "string", ("entity",)),
            Column("age", "number", ("feature",), nullable=True),
            Column("plan", "string", ("feature",), levels=("x", "y"), unknown="missing"),
            Column("left", "boolean", ("label",)),
        ),
    )
    scorer = LinearScorer(
        0.0,
        [
            ColumnEffect.of_number([0, 99], [0.0, 1.0], missing=0.0),
            ColumnEffect.of_category([0.0, 1.0], missing=0.0),
        ],
    )
    ranking = Ranking(**{"options": OPTIONS, "outcome": "taken", "days": 7, **changes})
    compiled = compile_ranking(ranking, contract.encoded("recommend"))
    bandit = LinearBandit.new(
        customer_features=len(compiled.indices),
        option_features=compiled.option_features.shape[1],
        categories=compiled.categories,
    )
    ranker = Ranker(ranking, bandit)
    return RetentionModel(ModelContents(contract, scorer, Calibration.identity(), ranker=ranker))


MODEL = model_of()


def shown(key, *, at, option="a", row=None, features=(1.0,), **changes):
    return DecisionRecord(
        **{
            "key": key,
            "customer": "c" + key,
            "as_of": at,
            "decided_at": at,
            "policy": "club",
            "action": option,
            "propensity": 0.5,
            "detail": {"row": {"age": 30, "plan": "x"} if row is None else row}
            | ({} if features is None else {"features": list(features)}),
            **changes,
        }
    )


def taken(key, *, at, value=1.0, kind="taken", name=""):
    return OutcomeRecord(f"o{key}{name}", kind, value, at, decision=key)


def state_of(report):
    assert report.path is not None
    return load_bandit(report.path)


@pytest.fixture
def journal():
    with Journal.open("sqlite://") as journal:
        yield journal


def test_a_state_is_what_the_same_batch_teaches(journal, tmp_path):
    journal.record(
        [
            shown("1", at=NOW - 10 * DAY),
            shown(
                "2", at=NOW - 9 * DAY, option="b", features=(0.0,), row={"age": None, "plan": "y"}
            ),
            shown("3", at=NOW - 8 * DAY, row={"age": 50.5, "plan": "new"}),
        ]
    )
    journal.record_outcomes([taken("2", at=NOW - 5 * DAY), taken("3", at=NOW - 8 * DAY, value=2.5)])
    report = learn(MODEL, journal, tmp_path / "states", now=NOW)
    nan = float("nan")
    expected = MODEL.contents.ranker.bandit.update(
        BanditBatch(
            np.array([[30.0, 0.0], [nan, 1.0], [50.5, nan]]),
            ("a", "b", "a"),
            np.array([[1.0], [0.0], [1.0]]),
            np.array([0.0, 1.0, 2.5]),
        )
    )
    found = state_of(report)
    settings, arrays = expected.to_arrays()
    assert found.to_arrays()[0] == settings
    for name, array in arrays.items():
        np.testing.assert_array_equal(found.to_arrays()[1][name], array)
    assert report.decisions == 3
    assert report.options == (
        {"option": "a", "shown": 2, "mean_reward": 1.25},
        {"option": "b", "shown": 1, "mean_reward": 1.0},
    )


def test_outcomes_count_within_their_days_of_their_kind_and_sum_up(journal, tmp_path):
    at = NOW - 20 * DAY
    journal.record([shown("1", at=at), shown("2", at=at)])
    journal.record_outcomes(
        [
            taken("1", at=at, value=1.0, name="x"),
            taken("1", at=at + 6.9 * DAY, value=2.0, name="y"),
            taken("1", at=at + 7 * DAY, value=50.0, name="late"),
            taken("1", at=at - DAY, value=50.0, name="early"),
            taken("1", at=at, value=50.0, kind="refused", name="other"),
            OutcomeRecord("loose", "taken", 50.0, at, customer="c1"),
        ]
    )
    [option] = learn(MODEL, journal, tmp_path, now=NOW).options
    assert option == {"option": "a", "shown": 2, "mean_reward": 1.5}


def test_each_decision_is_learned_from_once_and_only_when_its_time_is_over(journal, tmp_path):
    journal.record([shown(str(day), at=NOW - day * DAY) for day in range(1, 11)])
    first = learn(MODEL, journal, tmp_path, now=NOW)
    assert (first.state, first.decisions) == (1, 3)
    again = learn(MODEL, journal, tmp_path, now=NOW)
    assert (again.state, again.decisions, again.path) == (1, 0, None)
    later = learn(MODEL, journal, tmp_path, now=NOW + 2 * DAY)
    assert (later.state, later.decisions) == (2, 2)
    assert state_of(later).rows == 5
    anew = learn(MODEL, journal, tmp_path, now=NOW + 2 * DAY, anew=True)
    assert (anew.state, anew.decisions) == (3, 5)
    assert state_of(anew).rows == 5
    earlier = learn(MODEL, journal, tmp_path, now=NOW - DAY)
    assert (earlier.state, earlier.decisions) == (3, 0)


def test_what_does_not_count_is_counted_by_reason(journal, tmp_path):
    at = NOW - 10 * DAY
    journal.record(
        [
            shown("good", at=at),
            shown("none", at=at, option=None, propensity=1.0),
            shown("plain", at=at, features=None),
            shown("wide", at=at, features=(1.0, 2.0)),
            shown("no", at=at),
            shown("other", at=at, policy="elsewhere"),
        ]
    )
    no = shown("v", at=NOW - DAY, verdict="reject", about="no", by="ann", customer="cno")
    journal.record([no])
    report = learn(MODEL, journal, tmp_path, now=NOW)
    assert report.decisions == 1
    assert report.left_out == {
        "nothing was shown": 1,
        "not from a ranking": 1,
        "other option features": 1,
        "rejected by a person": 1,
    }
    assert report.to_dict()["left_out"] == report.left_out


def test_an_empty_journal_teaches_nothing_and_writes_nothing(journal, tmp_path):
    report = learn(MODEL, journal, tmp_path / "states", now=NOW)
    assert (report.state, report.path, report.decisions, report.options) == (None, None, 0, ())
    assert not (tmp_path / "states").exists()


def test_a_state_of_other_columns_is_refused_and_anew_mends_it(journal, tmp_path):
    journal.record([shown("1", at=NOW - 10 * DAY)])
    learn(MODEL, journal, tmp_path, now=NOW)
    fewer = model_of(columns=("age",))
    with pytest.raises(BundleError, match="churnkit learn --anew"):
        learn(fewer, journal, tmp_path, now=NOW)
    assert learn(fewer, journal, tmp_path, now=NOW, anew=True).state == 2


def test_a_model_that_ranks_nothing_is_refused(journal, tmp_path, shop_model):
    with pytest.raises(RecipeError, match="ranks nothing"):
        learn(shop_model, journal, tmp_path, now=NOW)
    with pytest.raises(RecipeError, match="no gains to plan with"):
        _ = MODEL.catalogue


def test_many_rows_are_learned_from_in_parts(journal, tmp_path, monkeypatch):
    journal.record([shown(str(place), at=NOW - 10 * DAY) for place in range(7)])
    whole = learn(MODEL, journal, tmp_path / "whole", now=NOW)
    monkeypatch.setattr("churnkit.batch.jobs.learn._CHUNK_ROWS", 3)
    parts = learn(MODEL, journal, tmp_path / "parts", now=NOW)
    one, other = state_of(whole), state_of(parts)
    np.testing.assert_allclose(one.sums.squares, other.sums.squares)
    assert one.rows == other.rows == 7


def test_a_table_is_ranked_in_python_by_a_later_state(journal, tmp_path):
    rows = [{"id": f"c{place}", "age": 30.0, "plan": "x"} for place in range(50)]
    told = MODEL.recommend([*rows, {"id": "bad", "age": 1.0}])
    assert [set(row["options"]) <= {"a", "b"} for row in told[:50]] == [True] * 50
    assert told[-1]["options"] is None
    assert told[-1]["problem"]
    at = NOW - 10 * DAY
    options = [("a", (1.0,)), ("b", (0.0,))] * 100
    journal.record([shown(str(k), at=at, option=o, features=f) for k, (o, f) in enumerate(options)])
    journal.record_outcomes([taken(str(k), at=at) for k in range(1, 200, 2)])
    report = learn(MODEL, journal, tmp_path, now=NOW)
    wiser = MODEL.with_bandit(state_of(report)).recommend(rows)
    assert sum(row["action"] == "b" for row in wiser) > 40
    assert [value for row in wiser for value in row["values"]] == pytest.approx(
        [float(row["action"] == "b") for row in wiser], abs=0.1
    )
    with pytest.raises(RecipeError, match="leave the budget out"):
        MODEL.recommend(rows, budget=5.0)
    with pytest.raises(BundleError, match="other columns"):
        MODEL.with_bandit(LinearBandit.new(customer_features=9))
