"""One suite for every database: entries stand as they were written, once, or are refused."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from churnkit.decisions import ContactLimit
from churnkit.errors import JournalError, MissingExtraError
from churnkit.journal import DecisionRecord, Journal, OutcomeRecord, decision_key
from churnkit.journal.database import Database
from churnkit.journal.queries import select_contacts
from churnkit.journal.schema import MIGRATIONS, migrate

DAY = date(2026, 11, 1)


def decision(key="k1", customer="c1", *, day=0.0, **parts):
    at = datetime(2026, 11, 1, 9, tzinfo=UTC) + timedelta(days=day)
    return DecisionRecord(key, customer, DAY, at, parts.pop("policy", "shop"), **parts)


def call(key="k1", customer="c1", **parts):
    return decision(key, customer, action="call", channel="phone", propensity=0.5, **parts)


def outcome(key="o1", kind="refused", *, day=0.0, **parts):
    at = datetime(2026, 11, 1, 12, tzinfo=UTC) + timedelta(days=day)
    return OutcomeRecord(key, kind, parts.pop("value", 1.0), at, **parts)


def test_what_is_recorded_is_read_back_to_the_last_bit(journal):
    whole = call(
        model="shop",
        model_version="3",
        model_digest="sha256:ab",
        period="2026-11",
        action_group="offers",
        eligible=("call", "mail"),
        expected_gain=0.1 + 0.2,
        gain_low=1e-300,
        gain_high=1.7e308,
        cost=5.25,
        holdout="mail",
        explored=True,
        reason="chosen by chance: ünïcode ✓",
        detail={"slate": 2},
    )
    journal.record([whole])
    row = journal.decisions().to_pylist()[0]
    assert row["as_of"] == datetime(2026, 11, 1, tzinfo=UTC)
    assert row["decided_at"] == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert row["detail"] == '{"slate": 2}'
    assert row["eligible"] == ["call", "mail"]
    assert row["capped"] is False
    for name in ("expected_gain", "gain_low", "gain_high", "cost", "propensity", "reason"):
        assert row[name] == getattr(whole, name)
    for name in ("policy", "model_version", "period", "holdout", "explored", "by", "verdict"):
        assert row[name] == getattr(whole, name)


def test_the_same_entry_again_is_accepted_and_not_doubled(journal):
    assert journal.record([call()]).to_dict() == {"written": 1, "duplicates": 0, "capped": 0}
    assert journal.record([call(), call()]).to_dict() == {
        "written": 0,
        "duplicates": 2,
        "capped": 0,
    }
    first = journal.record_outcomes([outcome(customer="c1"), outcome(customer="c1")])
    assert (first.written, first.duplicates) == (1, 1)
    assert journal.decisions().num_rows == journal.outcomes().num_rows == 1


def test_the_same_key_with_another_body_is_refused_by_name_and_nothing_is_written(journal):
    journal.record([call()])
    with pytest.raises(JournalError, match="decision 'k1' is already") as refused:
        journal.record([call("k2", "canary"), call("k1", "canary", cost=1.0)])
    assert "canary" not in str(refused.value)
    assert journal.decisions().num_rows == 1
    with pytest.raises(JournalError, match="'k9'"):
        journal.record([call("k9", "c1"), call("k9", "c2")])
    journal.record_outcomes([outcome(customer="c1")])
    with pytest.raises(JournalError, match="outcome 'o1' is already"):
        journal.record_outcomes([outcome(customer="c1", value=2.0)])


def test_times_of_any_zone_are_one_instant(journal):
    zone = timezone(timedelta(hours=5, minutes=30))
    at = datetime(2026, 11, 1, 14, 30, tzinfo=zone)
    journal.record([DecisionRecord("k1", "c1", DAY, at, "shop")])
    again = DecisionRecord("k1", "c1", DAY, datetime(2026, 11, 1, 9), "shop")  # noqa: DTZ001
    assert journal.record([again]).duplicates == 1


def test_reading_filters_by_time_policy_period_and_customer(journal):
    journal.record(
        [
            call("k1", "c1", day=0, period="2026-11"),
            call("k2", "c2", day=1),
            call("k3", "c1", day=2, policy="other"),
        ]
    )

    def keys(**asked):
        return journal.decisions(**asked)["key"].to_pylist()

    assert keys() == ["k1", "k2", "k3"]
    assert keys(since=date(2026, 11, 2)) == ["k2", "k3"]
    assert keys(until=datetime(2026, 11, 2, 9, tzinfo=UTC)) == ["k1"]
    assert keys(policy="other") == ["k3"]
    assert keys(period="2026-11") == ["k1"]
    assert keys(customers=["c1", "nobody"]) == ["k1", "k3"]
    assert keys(customers=[]) == []
    with pytest.raises(JournalError, match="list"):
        keys(customers="c1")


def test_outcomes_find_their_customer_by_the_decision(journal):
    journal.record([call()])
    journal.record_outcomes(
        [outcome("o1", decision="k1"), outcome("o2", "churned", customer="c2", day=3)]
    )
    found = journal.outcomes().to_pylist()
    assert [(row["customer"], row["decision"]) for row in found] == [("c1", "k1"), ("c2", None)]
    assert journal.outcomes(kind="churned", customers=["c2"])["key"].to_pylist() == ["o2"]
    assert journal.outcomes(since=date(2026, 11, 3)).num_rows == 1
    assert journal.outcomes(until=date(2026, 11, 3)).num_rows == 1


def test_outcomes_that_follow_from_nothing_are_refused(journal):
    journal.record([call()])
    with pytest.raises(JournalError, match="'o1': the journal has no such decision"):
        journal.record_outcomes([outcome(decision="k7")])
    with pytest.raises(JournalError, match="another customer"):
        journal.record_outcomes([outcome(decision="k1", customer="c2")])


def test_contacts_are_what_went_out_and_what_came_back(journal):
    journal.record(
        [
            call("k1"),
            call("k2", day=1),
            call("k3", day=2),
            decision("k4", day=3),
            call("k5", "c2", day=1),
            call("k6", "c3", day=1),
        ]
    )
    journal.record(
        [
            decision("v1", by="ann", verdict="reject", about="k2", why="is ill", day=1),
            decision("v2", by="ann", verdict="approve", about="k3", day=2),
        ]
    )
    journal.record_outcomes(
        [outcome("o1", decision="k3", day=2), outcome("o2", "churned", customer="c2", day=5)]
    )
    rows = journal.contacts(["c1", "c2"], DAY).to_pylist()
    assert [(row["customer"], row["outcome"], row["action"]) for row in rows] == [
        ("c1", None, "call"),
        ("c1", None, "call"),
        ("c1", "refused", "call"),
        ("c2", None, "call"),
        ("c2", "churned", None),
    ]
    assert journal.contacts(["c1"], date(2026, 11, 3)).num_rows == 2
    assert journal.contacts([], DAY).num_rows == 0


def test_contacts_of_many_customers_are_one_query_that_uses_an_index(tmp_path):
    from churnkit.journal.queries import select_history

    with Journal.open(f"sqlite:///{tmp_path / 'j.db'}") as journal:
        journal.record([call(f"k{i}", f"c{i}") for i in range(50)])
        many = [f"c{i}" for i in range(100_000)]
        assert journal.contacts(many, DAY).num_rows == 50
        database = journal._database
        query = select_history(database, ["c1"], since=0)
        with database.reading() as connection:
            compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}").all()
    said = "\n".join(row[-1] for row in plan)
    assert "USING INDEX churnkit_decisions_customer (customer=? AND decided_at>?)" in said
    assert "USING INDEX churnkit_outcomes_customer (customer=? AND observed_at>?)" in said
    assert "SCAN churnkit" not in said


def test_a_contact_limit_takes_the_action_away_and_says_so_each_time(journal):
    once = (ContactLimit(1, days=30),)
    assert journal.record([call("k1")], limits=once).capped == ()
    late = call("k2", day=29.9, cost=4.0, expected_gain=9.0)
    assert journal.record([late], limits=once).capped == ("k2",)
    assert journal.record([late], limits=once).to_dict() == {
        "written": 0,
        "duplicates": 1,
        "capped": 1,
    }
    row = journal.decisions(since=date(2026, 11, 20)).to_pylist()[0]
    assert (row["action"], row["propensity"], row["capped"], row["cost"]) == (None, None, True, 0)
    assert row["reason"] == "contact limit reached"
    # Thirty days later there is room again; and the past is no way around the limit.
    assert journal.record([call("k3", day=30)], limits=once).capped == ()
    assert journal.record([call("k4", day=-1)], limits=once).capped == ("k4",)


def test_limits_count_what_they_name(journal):
    limits = (
        ContactLimit(1, 7, channel="phone"),
        ContactLimit(2, 7),
        ContactLimit(1, 7, group="g"),
    )

    def send(key, action, channel, group=None):
        record = decision(key, action=action, channel=channel, action_group=group, propensity=1)
        return journal.record([record], limits=limits).capped == ()

    assert send("k1", "call", "phone")
    assert not send("k2", "offer call", "phone")
    assert send("k3", "mail", "email", "g")
    assert not send("k4", "letter", "post", "h")


def test_a_batch_counts_its_own_decisions_and_decisions_without_action_cost_nothing(journal):
    batch = [call(f"k{i}", day=i) for i in range(3)]
    batch += [decision(f"n{i}", day=i) for i in range(3)]
    recorded = journal.record(batch, limits=(ContactLimit(2, days=30),))
    assert (recorded.written, recorded.capped) == (6, ("k2",))


def test_a_rejected_decision_gives_the_contact_back(journal):
    once = (ContactLimit(1, days=30),)
    journal.record([call("k1")], limits=once)
    journal.record([decision("v1", by="ann", verdict="snooze", about="k1", why="next month")])
    assert journal.record([call("k2", day=1)], limits=once).capped == ()
    assert journal.used("shop", "2026-11") == {}


def test_verdicts_that_come_too_late_or_out_of_nowhere_are_refused(journal):
    journal.record([call("k1")])
    for customer, about in (("c1", "k7"), ("c2", "k1")):
        with pytest.raises(JournalError, match="record the decision first"):
            journal.record([decision("v", customer, by="ann", verdict="approve", about=about)])
    journal.record([decision("v1", by="ann", verdict="reject", about="k1")])
    with pytest.raises(JournalError, match="is final"):
        journal.record([decision("v2", by="bob", verdict="approve", about="k1", day=1)])


def test_what_a_period_has_used_is_counted_by_action(journal):
    november = {"period": "2026-11", "cost": 2.5}
    journal.record([call(f"k{i}", f"c{i}", **november) for i in range(3)])
    journal.record([decision("n1", "c9", period="2026-11"), call("k9", "c9", period="2026-12")])
    assert journal.used("shop", "2026-11") == {"call": (3, 7.5)}


def test_an_erased_customer_is_gone_and_stays_out(journal):
    journal.record([call("k1"), call("k2", "c2")])
    journal.record_outcomes([outcome("o1", decision="k1"), outcome("o2", customer="c2")])
    assert journal.erase("c1", at=DAY) == 2
    assert journal.erase("c1", at=DAY) == 0
    assert journal.decisions()["customer"].to_pylist() == ["c2"]
    assert journal.outcomes()["customer"].to_pylist() == ["c2"]
    assert journal.erased(["c1", "c2"]) == {"c1"}
    with pytest.raises(JournalError, match="1 of 2 entries") as refused:
        journal.record([call("k3", "c2"), call("k1")])
    assert "c1" not in str(refused.value)
    with pytest.raises(JournalError, match="erased"):
        journal.record_outcomes([outcome("o9", customer="c1")])


def test_no_byte_of_an_erased_customer_stays_in_the_file(tmp_path):
    file = tmp_path / "journal.db"
    with Journal.open(f"sqlite:///{file}") as journal:
        journal.record([call(f"k{i}", f"canary{i}") for i in range(60)])
        assert b"canary7" in b"".join(path.read_bytes() for path in tmp_path.iterdir())
        for i in range(60):
            journal.erase(f"canary{i}", at=DAY)
    assert b"canary" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_batch_of_many_groups_is_written_whole(journal):
    many = [decision(f"k{i}", f"c{i}") for i in range(12_000)]
    assert journal.record(many).written == 12_000
    assert journal.record(many[:6_000]).duplicates == 6_000


def test_a_newer_journal_is_refused_and_an_older_one_is_brought_forward(journal_url):
    journal = Journal.open(journal_url)
    database = journal._database
    step = ("ALTER TABLE churnkit_outcomes ADD COLUMN source TEXT",)
    with database.defining() as connection:
        migrate(connection, (*MIGRATIONS, step))
    with database.defining() as connection:
        migrate(connection, (*MIGRATIONS, step))
        assert connection.execute(text("SELECT source FROM churnkit_outcomes")).all() == []
    journal.close()
    with pytest.raises(JournalError, match=r"version 3, newer than 2.*upgrade churnkit"):
        Journal.open(journal_url)


def test_verdicts_are_found_by_an_index_of_their_own_also_in_a_journal_of_version_1(tmp_path):
    url = f"sqlite:///{tmp_path / 'j.db'}"
    with Journal.open(url) as journal:
        journal.record([call(f"k{i}", f"C{i}") for i in range(300)])
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP INDEX churnkit_decisions_about"))
        connection.execute(
            text("CREATE INDEX churnkit_decisions_about ON churnkit_decisions (about)")
        )
        connection.execute(text("UPDATE churnkit_journal SET value = '1' WHERE name = 'version'"))
    with Journal.open(url) as journal, engine.begin() as connection:
        # With statistics SQLite knows that almost every decision is about none.
        connection.execute(text("ANALYZE"))
        query = select_contacts(journal._database, ["C1"], since=0)
        sql = query.compile(engine, compile_kwargs={"literal_binds": True})
        plan = " ".join(str(row) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")))
    engine.dispose()
    assert "churnkit_decisions_about" in plan
    assert "SCAN verdict" not in plan


def test_a_journal_without_its_version_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'j.db'}"
    Journal.open(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM churnkit_journal WHERE name = 'version'"))
    engine.dispose()
    with pytest.raises(JournalError, match="no version"):
        Journal.open(url)


def test_the_address_is_the_argument_then_the_variable_then_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "training").mkdir()
    monkeypatch.delenv("CHURNKIT_JOURNAL", raising=False)
    with Journal.open() as journal:
        assert Path(journal.url.removeprefix("sqlite:///")) == tmp_path / ".churnkit" / "journal.db"
    monkeypatch.setenv("CHURNKIT_JOURNAL", f"sqlite:///{tmp_path / 'team.db'}")
    with Journal.open() as journal:
        assert "team.db" in repr(journal)
    with Journal.open(f"sqlite:///{tmp_path / 'mine.db'}") as journal:
        assert "mine.db" in journal.url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("not a url", "is invalid"),
        ("mysql://host/db", "'mysql'|is invalid"),
        ("sqlite:////proc/nowhere/journal.db", "cannot be created"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused_in_words(url, said):
    with pytest.raises(JournalError, match=said):
        Journal.open(url)


def test_a_server_that_is_away_is_named_without_its_password(tmp_path):
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    with pytest.raises(JournalError, match="cannot be opened") as refused:
        Journal.open(f"postgresql://ann:secret@/db?host={tmp_path}")
    assert "secret" not in str(refused.value)


def test_a_missing_driver_names_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"pip install '?psycopg"):
        Database("postgresql://host/db")


@pytest.mark.parametrize(
    "parts",
    [
        {"key": ""},
        {"customer": "x" * 201},
        {"customer": "a\0b"},
        {"propensity": 0.0},
        {"propensity": 1.5},
        {"cost": float("nan")},
        {"verdict": "perhaps"},
        {"verdict": "approve"},
        {"about": "k0"},
        {"as_of": "2026-11-01"},
        {"detail": {"x": float("nan")}},
    ],
)
def test_records_that_make_no_sense_are_refused(parts):
    whole = {"key": "k", "customer": "c", "as_of": DAY, "decided_at": DAY, "policy": "p", **parts}
    with pytest.raises(JournalError):
        DecisionRecord(**whole).to_row()


def test_outcomes_that_make_no_sense_are_refused():
    with pytest.raises(JournalError, match="customer, the decision"):
        outcome()
    with pytest.raises(JournalError, match="finite"):
        outcome(customer="c", value=float("inf"))
    with pytest.raises(JournalError, match="kind"):
        outcome(kind=" ", customer="c")


def test_a_key_is_made_from_what_it_is_about():
    assert decision_key("p", "2026-11", 7) == decision_key("p", "2026-11", "7")
    assert decision_key("p", None, "7") != decision_key("p", "None", "7")
    assert decision_key("a", "bc") != decision_key("ab", "c")


def test_importing_the_journal_costs_nothing_until_it_is_used():
    import subprocess
    import sys

    code = (
        "import sys, churnkit.journal; "
        "print(sorted({'sqlalchemy', 'pyarrow', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
