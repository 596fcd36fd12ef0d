"""Playbooks: started once, skipped after an answer, stopped, counted and erased."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from churnkit.journal import DecisionRecord
from churnkit.journal.worklist.playbooks import PlannedStep, PlaybookRun, Playbooks, StepCounts
from churnkit.journal.worklist.records import VersionConflictError
from churnkit.journal.worklist.tasks import Tasks
from churnkit.journal.worklist.worklist import Worklist

NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)
STEPS = (
    PlannedStep("Write an e-mail", "step 1 of 3", date(2026, 11, 5), needs_no_answer=False),
    PlannedStep("Call", "step 2 of 3", date(2026, 11, 10), needs_no_answer=True),
    PlannedStep("Check the result", "step 3 of 3", date(2026, 12, 5), needs_no_answer=False),
)
BY_ANN: dict[str, Any] = {"by": "ann", "at": NOW, "form_id": "f1"}


def run(customer="c1", decision="d1"):
    return PlaybookRun(customer, "call", decision, "bo", STEPS)


@pytest.fixture
def worklist(journal):
    return Worklist(journal)


def statuses(worklist, customer="c1"):
    return {task.title: task.status for task in Tasks(worklist).list(customer=customer)}


def test_a_playbook_adds_its_tasks_once_for_a_decision(worklist):
    playbooks = Playbooks(worklist)
    assert playbooks.start([run(), run("c2", "d2")], by="ann", at=NOW) == 2
    assert playbooks.start([run()], by="bo", at=NOW) == 0
    found = [(t.title, t.owner, t.due, t.note) for t in Tasks(worklist).list(customer="c1")]
    assert found == [(step.title, "bo", step.due, step.note) for step in STEPS]
    assert {change.by for change in worklist.history("c1")} == {"ann"}
    assert len(worklist.history("c1")) == 3


@pytest.mark.parametrize("verdict", ["reject", "snooze"])
def test_a_playbook_dismissed_before_it_starts_is_left_out(worklist, journal, verdict):
    # The verdict is recorded after the caller has read the approval, and before the start.
    journal.record(
        [
            DecisionRecord("d1", "c1", NOW, NOW, "shop", action="call"),
            DecisionRecord("v1", "c1", NOW, NOW, "shop", verdict="approve", about="d1", by="ann"),
            DecisionRecord("v2", "c1", NOW, NOW, "shop", verdict=verdict, about="d1", by="bo"),
        ]
    )
    assert Playbooks(worklist).start([run(), run("c2", "d2")], by="ann", at=NOW) == 1
    assert statuses(worklist) == {}
    assert len(statuses(worklist, "c2")) == 3


def test_an_answer_skips_only_the_later_steps_that_need_none(worklist):
    playbooks = Playbooks(worklist)
    playbooks.start([run()], by="ann", at=NOW)
    first, second, third = Tasks(worklist).list(customer="c1")
    assert playbooks.awaiting_answer([first.key, second.key, third.key]) == {first.key}
    playbooks.answered(first.key, first.version, **BY_ANN)
    assert statuses(worklist) == {
        "Write an e-mail": "done",
        "Call": "skipped",
        "Check the result": "open",
    }
    assert playbooks.awaiting_answer([first.key, second.key, third.key]) == set()
    assert len(worklist.history("c1")) == 5


def test_an_answer_to_a_step_that_someone_else_has_changed_is_refused(worklist):
    playbooks = Playbooks(worklist)
    playbooks.start([run()], by="ann", at=NOW)
    first, *_ = Tasks(worklist).list(customer="c1")
    Tasks(worklist).change(first.key, first.version, by="bo", at=NOW, form_id="f2", note="left")
    with pytest.raises(VersionConflictError, match="bo has changed this task"):
        playbooks.answered(first.key, first.version, **BY_ANN)
    assert set(statuses(worklist).values()) == {"open"}


def test_a_stopped_playbook_skips_its_open_steps_and_is_not_started_again(worklist):
    playbooks = Playbooks(worklist)
    playbooks.start([run()], by="ann", at=NOW)
    first, *_ = Tasks(worklist).list(customer="c1")
    Tasks(worklist).change(first.key, 1, by="bo", at=NOW, form_id="f2", status="done")
    assert playbooks.stop([], **BY_ANN) == 0
    assert playbooks.stop(["d1", "other"], **BY_ANN) == 2
    assert playbooks.start([run()], by="ann", at=NOW) == 0
    assert sorted(statuses(worklist).values()) == ["done", "skipped", "skipped"]


def test_steps_are_counted_by_status(worklist):
    playbooks = Playbooks(worklist)
    playbooks.start([run(), run("c2", "d2")], by="ann", at=NOW)
    first, *_ = Tasks(worklist).list(customer="c1")
    playbooks.answered(first.key, 1, **BY_ANN)
    assert playbooks.progress(date(2026, 11, 11)) == [
        StepCounts("call", 1, open=1, overdue=1, done=1, skipped=0),
        StepCounts("call", 2, open=1, overdue=1, done=0, skipped=1),
        StepCounts("call", 3, open=2, overdue=0, done=0, skipped=0),
    ]


def test_erasing_a_customer_erases_the_playbook(worklist, journal):
    playbooks = Playbooks(worklist)
    playbooks.start([run()], by="ann", at=NOW)
    journal.erase("c1", at=NOW)
    assert playbooks.progress(date(2026, 11, 5)) == []
