"""Lists for a file of customers: once for each period, as the journal has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.batch import DecisionPeriod, learn, rank
from churnkit.bundle import RetentionModel
from churnkit.bundle.parts.ranker import Ranker
from churnkit.decisions import Action, ContactLimit, ContactPolicy, Ranking, Where
from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.errors import DataError, RecipeError
from churnkit.journal import Journal
from churnkit.models import LinearBandit

DAY = date(2026, 11, 5)
OPTIONS = (
    Action("news", "News", channel="email"),
    Action("gift", "A gift", 5.0, eligible=(Where("plan", "!=", "basic"),), channel="email"),
    Action("call", "A call", consent="may_call", channel="phone"),
)


@pytest.fixture
def make_model(shop_model):
    def make_model(**changes):
        settings = {"options": OPTIONS, "outcome": "clicked", "size": 2, **changes}
        ranking = Ranking(**settings)
        compiled = compile_ranking(ranking, shop_model.contract.encoded("recommend"))
        bandit = LinearBandit.new(
            customer_features=len(compiled.indices), categories=compiled.categories
        )
        parts = replace(shop_model.contents, catalogue=None, ranker=Ranker(ranking, bandit))
        return RetentionModel(parts, shop_model.manifest)

    return make_model


@pytest.fixture
def rows(rows_of_shop):
    return rows_of_shop(60, seed=4)


@pytest.fixture
def file(rows, to_csv, tmp_path):
    return to_csv(tmp_path / "customers.csv", rows)


@pytest.fixture
def journal(tmp_path):
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as opened:
        yield opened


def by_customer(table):
    found: dict[str, list[dict[str, object]]] = {}
    for line in table.to_pylist():
        found.setdefault(line["customer_id"], []).append(line)
    return found


def test_each_customer_gets_the_list_that_python_gives(file, rows, make_model, tmp_path):
    model = make_model()
    table, report = rank(file, model, output=tmp_path / "lists.parquet")
    assert pq.read_table(tmp_path / "lists.parquet").equals(table)
    told = model.recommend(rows)
    lists = by_customer(table)
    assert list(lists) == [row["customer_id"] for row in rows]
    for row in told:
        lines = lists[row["customer_id"]]
        assert [line["place"] for line in lines] == list(range(1, len(lines) + 1))
        assert [line["action"] for line in lines] == row["options"]
        assert [line["propensity"] for line in lines] == pytest.approx(row["propensities"])
    assert (report.rows, report.shown, report.invalid) == (60, 60, 0)
    assert sum(option["first"] for option in report.options) == 60
    assert sum(option["shown"] for option in report.options) == table.num_rows


def test_a_bad_row_keeps_its_place_and_says_why(rows, make_model, tmp_path, to_csv):
    rows[3]["plan"] = "unheard of"
    only_call = make_model(options=OPTIONS[2:])
    table, report = rank(to_csv(tmp_path / "c.csv", rows), only_call)
    assert report.invalid == 1
    bad = by_customer(table)[rows[3]["customer_id"]]
    assert [(line["place"], line["reason"]) for line in bad] == [(None, "not scored")]
    assert "plan" in bad[0]["problem"]
    nothing = [line for line in table.to_pylist() if line["reason"] == "no consent"]
    assert len(nothing) == sum(not row["may_call"] for row in rows if row is not rows[3])
    assert report.shown == 59 - len(nothing)


def test_a_period_has_one_list_a_customer_and_the_journal_teaches(
    file, make_model, journal, tmp_path
):
    model = make_model()
    at = datetime(2026, 11, 5, 9, tzinfo=UTC)
    period = DecisionPeriod(DAY, at, "2026-w45", journal)
    first, report = rank(file, model, period=period)
    again, repeated = rank(file, model, period=period)
    assert (report.before, repeated.before) == (0, 60)
    assert again.equals(first)
    other, _ = rank(file, model, period=replace(period, name="2026-w46"))
    assert other["action"].to_pylist() != first["action"].to_pylist()
    written = {row["key"]: row for row in journal.decisions().to_pylist()}
    for line in first.to_pylist():
        kept = written[line["decision"]]
        assert (kept["action"], kept["propensity"]) == (line["action"], line["propensity"])
        assert kept["customer"] == line["customer_id"]
    found = learn(model, journal, tmp_path / "states", now=at + timedelta(days=8))
    assert found.decisions == first.num_rows + other.num_rows


def test_contact_limits_and_holdouts_hold(file, rows, make_model, journal):
    policy = ContactPolicy((ContactLimit(1, days=30, channel="email"),))
    model = make_model(contact=policy, holdout=0.2)
    with pytest.raises(RecipeError, match="holdouts"):
        rank(file, model)
    table, _ = rank(file, model, period=DecisionPeriod(DAY, journal=journal))
    for lines in by_customer(table).values():
        mails = [line for line in lines if line["action"] in {"news", "gift"}]
        assert len(mails) <= 1
    assert "held out" in table["reason"].to_pylist()
    later = DecisionPeriod(DAY + timedelta(days=3), name="next", journal=journal)
    table, _ = rank(file, model, period=later)
    assert not set(table["action"].to_pylist()) & {"news", "gift"}


def test_the_lists_of_a_period_keep_its_budget_over_several_runs(file, make_model, journal):
    options = tuple(replace(option, cost=2.0) for option in OPTIONS)
    model = make_model(options=options, reward_value=30.0, epsilon=0.01)
    table, free = rank(file, model)
    assert free.budget_price is None
    assert free.cost == pytest.approx(2.0 * sum(a is not None for a in table["action"].to_pylist()))
    period = DecisionPeriod(DAY, journal=journal, name="w")
    _, report = rank(file, model, period=period, budget=free.cost / 3)
    assert 0.0 < report.cost <= free.cost / 3
    assert report.budget_price is not None
    assert report.budget_price > 0.0
    assert sum(journal.decisions()["cost"].to_pylist()) == pytest.approx(report.cost)
    _, again = rank(file, model, period=period, budget=free.cost / 3)
    assert (again.before, again.cost) == (60, report.cost)
    with pytest.raises(RecipeError, match="reward_value"):
        rank(file, make_model(), budget=10.0)


def test_an_erased_customer_is_shown_nothing(file, rows, make_model, journal):
    gone = rows[5]["customer_id"]
    journal.erase(gone, at=DAY)
    table, _ = rank(file, make_model(), period=DecisionPeriod(DAY, journal=journal))
    [line] = by_customer(table)[gone]
    assert (line["action"], line["reason"]) == (None, "no consent")
    assert gone not in journal.decisions()["customer"].to_pylist()


def test_what_cannot_be_ranked_is_refused(file, rows, make_model, shop_model, to_csv, tmp_path):
    with pytest.raises(RecipeError, match="ranks nothing"):
        rank(file, shop_model)
    with pytest.raises(DataError, match="unique"):
        rank(to_csv(tmp_path / "twice.csv", [*rows, rows[0]]), make_model())
    empty = tmp_path / "none.parquet"
    pq.write_table(pa.Table.from_pylist(rows).slice(0, 0), empty)
    table, report = rank(empty, make_model())
    assert (table.num_rows, report.rows, report.shown) == (0, 0, 0)
