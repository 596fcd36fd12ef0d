"""Old entries are deleted, except those that something still needs; on every database."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete

from churnkit.errors import JournalError
from churnkit.evaluation.experiments.outcomes import outcomes_after
from churnkit.journal import DecisionRecord, Journal, Outbox, OutcomeRecord, Retention
from churnkit.journal import prune as prune_module

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


def ago(days):
    return NOW - timedelta(days=days)


def decided(key, days, *, customer=None, **parts):
    parts = {"policy": "shop", "action": "call", "channel": "phone"} | parts
    return DecisionRecord(key, customer or f"c-{key}", ago(days), ago(days), **parts)


def retention(days=100.0, **parts):
    parts = {"outcome_days": 30.0, "contact_days": 14.0} | parts
    return Retention.from_days(ago(days), now=NOW, **parts)


def keys(journal):
    return set(journal.decisions()["key"].to_pylist())


def outcome_keys(journal):
    return set(journal.outcomes()["key"].to_pylist())


def test_entries_before_the_date_are_deleted_with_their_reviews_and_outcomes(journal):
    journal.record([decided("old", 150), decided("new", 50)])
    journal.record([decided("r", 149, customer="c-old", by="ann", verdict="approve", about="old", action=None, channel=None)])  # fmt: skip
    journal.record_outcomes(
        [
            OutcomeRecord("o-old", "stayed", 1.0, ago(140), decision="old"),
            OutcomeRecord("o-new", "stayed", 1.0, ago(40), decision="new"),
            OutcomeRecord("o-other", "stayed", 1.0, ago(120), customer="c-nobody"),
        ]
    )
    result = journal.prune(retention())
    assert (result.decisions, result.reviews, result.outcomes) == (1, 1, 2)
    assert keys(journal) == {"new"}
    assert outcome_keys(journal) == {"o-new"}
    assert (result.remaining_decisions, result.remaining_outcomes) == (1, 1)
    assert result.oldest == ago(50)
    assert result.kept == {}


def test_a_dry_run_counts_the_same_rows_and_changes_nothing(journal):
    journal.record([decided("old", 150), decided("held", 150, policy="web", holdout="global", action=None, channel=None), decided("now", 1, policy="web", holdout="global", action=None, channel=None)])  # fmt: skip
    journal.record_outcomes([OutcomeRecord("o", "stayed", 1.0, ago(140), decision="old")])
    before = (keys(journal), outcome_keys(journal))
    dry = journal.prune(retention(), dry_run=True)
    assert (keys(journal), outcome_keys(journal)) == before
    done = journal.prune(retention())
    assert dry.dry_run
    assert not done.dry_run
    assert {**dry.to_dict(), "dry_run": False} == done.to_dict()


@pytest.mark.parametrize(
    ("days", "parts", "reason"),
    [
        (20, {"outcome_days": 30.0}, "open outcomes"),
        (20, {"outcome_days": 0.0, "contact_days": 60.0}, "contact limits"),
    ],
)
def test_decisions_with_an_open_outcome_or_in_a_contact_window_are_kept(
    journal, days, parts, reason
):
    journal.record([decided("k", days)])
    result = journal.prune(retention(days=10.0, **parts))
    assert keys(journal) == {"k"}
    assert result.kept == {reason: 1}


def test_a_period_that_goes_on_is_kept_as_a_whole_so_that_no_capacity_is_spent_twice(journal):
    journal.record(
        [
            decided("old", 150, period="2026"),
            decided("new", 5, period="2026"),
            decided("other", 150, period="2026-07"),
            decided("elsewhere", 150, period="2026", policy="web"),
            decided("later", 149, period="2027", policy="web"),
        ]
    )
    used = journal.used("shop", "2026")
    result = journal.prune(retention())
    assert keys(journal) == {"old", "new", "later"}
    assert journal.used("shop", "2026") == used
    assert result.kept == {"unfinished periods": 2}


def test_the_latest_period_of_a_policy_is_kept_without_recent_decisions(journal):
    journal.record(
        [
            decided("first", 190, period="2026-H1"),
            decided("second", 180, period="2026-H2"),
            decided("last", 150, period="2026-H2"),
            decided("none", 5),
            decided("web", 170, period="2026-H1", policy="web"),
        ]
    )
    used = journal.used("shop", "2026-H2")
    dry = journal.prune(retention(), dry_run=True)
    result = journal.prune(retention())
    assert dry.decisions == result.decisions == 1
    assert keys(journal) == {"second", "last", "none", "web"}
    assert journal.used("shop", "2026-H2") == used
    assert result.kept == {"unfinished periods": 3}


def test_a_running_experiment_is_kept_with_its_treated_customers_until_its_start_is_stated(journal):
    held = {"holdout": "global", "action": None, "channel": None}
    journal.record(
        [
            decided("treated", 200),
            decided("control", 200, **held),
            decided("running", 3, **held),
            decided("ended", 200, policy="web", **held),
        ]
    )
    result = journal.prune(retention())
    assert keys(journal) == {"treated", "control", "running"}
    assert result.kept == {"running experiments": 2}
    journal.prune(retention(experiments_since=ago(100)))
    assert keys(journal) == {"running"}


def test_outcomes_of_customers_in_a_running_experiment_are_kept(journal):
    held = {"holdout": "global", "action": None, "channel": None}
    journal.record([decided("control", 200, customer="c", **held), decided("running", 3, **held)])
    journal.record_outcomes(
        [
            OutcomeRecord("after", "stayed", 1.0, ago(180), customer="c"),
            OutcomeRecord("before", "stayed", 1.0, ago(220), customer="c"),
        ]
    )
    result = journal.prune(retention())
    assert outcome_keys(journal) == {"after"}
    assert result.outcomes == 1


def test_an_outcome_of_a_deleted_decision_is_kept_for_another_policys_decision(journal):
    held = {"holdout": "global", "action": None, "channel": None}
    journal.record(
        [
            decided("shop", 150, customer="c"),
            decided("web", 160, customer="c", policy="web"),
            decided("running", 3, policy="web", **held),
        ]
    )
    outcome = OutcomeRecord("o", "revenue", 9.0, ago(140), decision="shop")
    journal.record_outcomes([outcome])

    def value():
        """Revenue of the customer in the experiment of the policy "web"."""
        entries = journal.decisions(policy="web"), journal.outcomes()
        measured = outcomes_after(*entries, kind="revenue", horizon_days=30, until=NOW)
        return measured.customer.to_pylist(), measured.value.tolist()

    before = value()
    assert before == (["c"], [9.0])
    dry = journal.prune(retention(), dry_run=True)
    done = journal.prune(retention())
    assert {**dry.to_dict(), "dry_run": False} == done.to_dict()
    assert (done.decisions, done.outcomes) == (1, 0)
    assert keys(journal) == {"web", "running"}
    assert value() == before
    assert journal.record_outcomes([outcome]).duplicates == 1


@pytest.mark.parametrize(
    ("state", "is_kept"), [("pending", True), ("sending", True), ("sent", False), ("failed", False)]
)
def test_decisions_wait_for_their_delivery(journal, state, is_kept):
    journal.record([decided("k", 150)])
    outbox = Outbox(journal)
    outbox.add("crm", {"k": "c-k"}, at=ago(150))
    outbox.mark("crm", {"k": None}, state, at=ago(149))
    result = journal.prune(retention())
    assert keys(journal) == ({"k"} if is_kept else set())
    assert result.kept == ({"unfinished deliveries": 1} if is_kept else {})
    assert result.deliveries == (0 if is_kept else 1)
    assert outbox.states("crm", ["k"]) == ({"k": state} if is_kept else {})


def test_an_old_decision_with_a_recent_outcome_or_review_is_kept(journal):
    journal.record([decided("a", 150), decided("b", 150)])
    journal.record([decided("r", 2, customer="c-b", by="ann", verdict="reject", about="b", action=None, channel=None)])  # fmt: skip
    journal.record_outcomes([OutcomeRecord("o", "refused", 1.0, ago(2), decision="a")])
    result = journal.prune(retention())
    assert keys(journal) == {"a", "b", "r"}
    assert result.kept == {"recent outcomes and reviews": 2}


def test_groups_and_an_interruption_between_them_leave_what_a_single_call_leaves(
    journal, monkeypatch
):
    generator = random.Random(3)  # noqa: S311 - made-up entries
    journal.record(
        decided(
            f"k{number}",
            generator.choice((5, 20, 90, 101, 150, 300)),
            customer=f"c{number % 40}",
            policy=generator.choice(("shop", "web")),
            period=generator.choice((None, "2026-06", "2026-11")),
            holdout="global" if generator.random() < 0.02 else None,
        )
        for number in range(300)
    )
    journal.record_outcomes(
        OutcomeRecord(f"o{n}", "stayed", 1.0, ago(generator.uniform(0, 320)), customer=f"c{n % 60}")
        for n in range(200)
    )
    chosen = retention(experiments_since=ago(160))
    dry = journal.prune(chosen, dry_run=True)
    monkeypatch.setattr(prune_module, "_GROUP", 7)
    calls = []
    real = delete

    def fails_once(table):
        calls.append(table)
        if len(calls) == 20:
            raise RuntimeError
        return real(table)

    monkeypatch.setattr(prune_module, "delete", fails_once)
    with pytest.raises(RuntimeError):
        journal.prune(chosen)
    journal.prune(chosen)
    rest = journal.prune(chosen, dry_run=True)
    assert 0 < dry.decisions < 300
    assert (rest.decisions, rest.reviews, rest.outcomes, rest.deliveries) == (0, 0, 0, 0)
    assert journal.decisions().num_rows == dry.remaining_decisions == 300 - dry.decisions
    assert journal.outcomes().num_rows == dry.remaining_outcomes == 200 - dry.outcomes


def test_a_date_in_the_future_is_refused():
    with pytest.raises(JournalError, match="in the future"):
        retention(days=-1.0)


@pytest.mark.parametrize("name", ["outcome_days", "contact_days"])
@pytest.mark.parametrize("days", [-1.0, 36_501.0, 1e300, float("inf"), float("nan")])
def test_a_length_that_is_negative_or_over_a_century_is_refused(name, days):
    with pytest.raises(JournalError, match=r"from 0 to 36,500"):
        retention(**{name: days})


def test_deleted_entries_leave_no_bytes_in_a_sqlite_file(tmp_path):
    file = tmp_path / "journal.db"
    with Journal.open(f"sqlite:///{file}") as journal:
        journal.record([decided("k", 150, customer="canary-0x77")])
        journal.prune(retention())
    content = b"".join(part.read_bytes() for part in tmp_path.glob("journal.db*"))
    assert b"canary-0x77" not in content
