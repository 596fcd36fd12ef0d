"""Worklist: concurrent changes, forms sent twice, tasks, views, visits, erasure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from churnkit.errors import JournalError
from churnkit.journal import DecisionRecord, Journal
from churnkit.journal.outbox_schema import OUTBOX_METADATA, outbox
from churnkit.journal.worklist import schema
from churnkit.journal.worklist.records import VersionConflictError
from churnkit.journal.worklist.tasks import Tasks
from churnkit.journal.worklist.views import RiskChanges, Views, Visits
from churnkit.journal.worklist.worklist import Worklist

NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)
BY_ANN: dict[str, Any] = {"by": "ann", "at": NOW, "form_id": "f1"}
BY_BO: dict[str, Any] = {"by": "bo", "at": NOW, "form_id": "f2"}


@pytest.fixture
def worklist(journal):
    return Worklist(journal)


def test_the_second_of_two_people_is_refused_and_the_first_change_stays(worklist):
    assert worklist.change({"c1": 0}, {"owner": "ann"}, **BY_ANN).changed == ("c1",)
    second = worklist.change({"c1": 0}, {"owner": "bo"}, **BY_BO)
    assert (second.changed, second.conflicts) == ((), ("c1",))
    seen = worklist.state("c1")
    assert (seen.owner, seen.changed_by) == ("ann", "ann")
    third = worklist.change({"c1": seen.version}, {"owner": "bo"}, by="bo", at=NOW, form_id="f3")
    assert third.changed == ("c1",)
    log = [(change.by, change.before, change.after) for change in worklist.history("c1")]
    assert sorted(log, key=str) == [("ann", None, "ann"), ("bo", "ann", "bo")]


def test_two_processes_with_one_database_see_each_other(worklist, journal_url):
    with Journal.open(journal_url) as other:
        Worklist(other).change({"c1": 0}, {"snoozed_until": "2026-12-07"}, **BY_BO)
    (state,) = worklist.states()
    assert state.snoozed_until == date(2026, 12, 7)
    assert worklist.states(after=state.version) == []


def test_forms_sent_twice_are_recorded_once(worklist):
    tasks = Tasks(worklist)
    for expected in (True, False):
        assert worklist.comment("c1", "called", **BY_ANN) == expected
        assert tasks.add("c1", title="Call", **BY_BO) == expected
    assert len(worklist.history("c1")) == 2
    assert len(tasks.list(customer="c1")) == 1


def test_a_task_changed_by_two_people_keeps_both_words(worklist):
    tasks = Tasks(worklist)
    tasks.add("c1", title="Call", owner="ann", due=date(2026, 11, 6), **BY_ANN)
    (task,) = tasks.list()
    done = tasks.change(task.key, 1, by="ann", at=NOW, form_id="f3", status="done")
    assert (done.status, done.version) == ("done", 2)
    with pytest.raises(VersionConflictError, match="ann has changed this task"):
        tasks.change(task.key, 1, by="bo", at=NOW, form_id="f4", note="call after five")
    tasks.change(task.key, 2, by="bo", at=NOW, form_id="f5", note="call after five")
    (task,) = tasks.list(status="done")
    assert (task.status, task.note) == ("done", "call after five")
    with pytest.raises(JournalError, match="status must be one of"):
        tasks.change(task.key, 3, by="bo", at=NOW, form_id="f6", status="gone")


def test_tasks_are_listed_by_due_date_and_those_without_come_last(worklist):
    tasks = Tasks(worklist)
    for number, due in enumerate((None, date(2026, 11, 9), date(2026, 11, 2))):
        tasks.add(f"c{number}", title="Call", due=due, by="ann", at=NOW, form_id=f"f{number}")
    assert [task.customer for task in tasks.list()] == ["c2", "c1", "c0"]
    assert [task.customer for task in tasks.list(due=date(2026, 11, 5))] == ["c2"]
    assert tasks.due_customers(date(2026, 11, 5)) == {"c2": date(2026, 11, 2)}


def test_views_belong_to_a_person(worklist):
    views = Views(worklist)
    views.save("ann", "Mine", "owner=me")
    views.save("ann", "Mine", "owner=me&sort=risk")
    views.save("bo", "Mine", "status=open")
    assert views.list("ann") == {"Mine": "owner=me&sort=risk"}
    views.remove("ann", "Mine")
    assert (views.list("ann"), views.list("bo")) == ({}, {"Mine": "status=open"})


def test_a_visit_ends_with_a_pause(worklist):
    visits, pause = Visits(worklist), timedelta(minutes=30)
    times = [NOW + timedelta(minutes=minutes) for minutes in (0, 10, 90, 95)]
    previous = [visits.previous("ann", at, pause=pause) for at in times]
    assert previous == [None, None, times[1], times[1]]


def test_risk_changes_since_a_visit_are_those_of_five_points(worklist):
    risks = RiskChanges(worklist)
    risks.record({"c1": 0.1, "c2": 0.1}, at=NOW)
    later = NOW + timedelta(days=1)
    assert risks.record({"c1": 0.16, "c2": 0.14}, at=later) == 1
    assert risks.since(later) == {"c1": 0.1}
    assert risks.since(later + timedelta(hours=1)) == {}


def test_erasing_a_customer_erases_the_worklist_too(worklist, journal):
    tasks, risks = Tasks(worklist), RiskChanges(worklist)
    worklist.change({"unique-id-77": 0}, {"owner": "ann"}, **BY_ANN)
    worklist.comment("unique-id-77", "has a new address", by="ann", at=NOW, form_id="f2")
    tasks.add("unique-id-77", title="Call", **BY_BO)
    risks.record({"unique-id-77": 0.2}, at=NOW)
    assert journal.erase("unique-id-77", at=NOW) == 6
    risks.record({"unique-id-77": 0.2}, at=NOW)
    with worklist.database.reading() as connection:
        rows = [
            row
            for table in (schema.customers, schema.tasks, schema.changes, schema.risks)
            for row in connection.execute(select(table)).all()
        ]
    assert rows == []
    with pytest.raises(JournalError, match="1 of 1 customers was erased"):
        worklist.change({"unique-id-77": 0}, {"owner": "ann"}, by="ann", at=NOW, form_id="f9")


def test_verdicts_and_contacts_are_those_of_the_journal(worklist, journal):
    early = datetime(2026, 10, 5, tzinfo=UTC)

    def decision(key, customer, at, **fields):
        return DecisionRecord(key, customer, at.date(), at, "shop", **fields)

    call = {"action": "call", "propensity": 1.0}
    journal.record(
        [
            decision("d1", "c1", early, period="2026-10", **call),
            decision("d2", "c2", early, period="2026-10", **call),
            decision("d3", "c1", NOW, period="2026-11", **call),
        ]
    )
    refer = {"by": "ann", "why": "on leave"}
    journal.record(
        [
            decision("v2", "c2", early, period="2026-10", verdict="reject", about="d2", **refer),
            decision("v3", "c1", NOW, period="2026-11", verdict="approve", about="d3", **refer),
        ]
    )
    verdicts = worklist.verdicts("shop", "2026-11")
    assert {name: (v.verdict, v.by, v.why) for name, v in verdicts.items()} == {
        "c1": ("approve", "ann", "on leave")
    }
    assert worklist.last_contacts(before=datetime(2026, 11, 1, tzinfo=UTC)) == {"c1": early.date()}


def test_pushes_of_a_customer_are_listed_with_their_state(worklist):
    assert worklist.deliveries("c1") == []
    with worklist.database.defining() as connection:
        OUTBOX_METADATA.create_all(connection)
        row = {"decision": "d1", "destination": "crm", "state": "sent", "changed_at": 60_000_000}
        connection.execute(insert(outbox), [row | {"customer": "c1"}])
    (delivery,) = worklist.deliveries("c1")
    assert (delivery.destination, delivery.state) == ("crm", "sent")
    assert delivery.at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert worklist.deliveries("c2") == []
