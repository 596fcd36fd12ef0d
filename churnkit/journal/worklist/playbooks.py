"""Playbooks: tasks for the steps of an approved action, skipped once the customer has answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select

from churnkit.core.time import to_microseconds
from churnkit.core.translation import mark_text, translate_stored
from churnkit.journal.schema import decisions
from churnkit.journal.worklist.schema import steps, tasks
from churnkit.journal.worklist.tasks import read_task, write_task
from churnkit.journal.worklist.worklist import entry_key, log_changes, refuse_erased

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime

    from sqlalchemy.engine import Connection

    from churnkit.journal.worklist.records import Task
    from churnkit.journal.worklist.worklist import Worklist

__all__ = ["STEP_NOTES", "PlannedStep", "PlaybookRun", "Playbooks", "StepCounts", "describe_note"]

# Notes of steps, and of those that need no answer. They are kept in English, as people of several
# languages read them.
STEP_NOTES: Final = (
    mark_text("{title}: step {number} of {count}"),
    mark_text("{title}: step {number} of {count}, if the customer has not answered"),
)


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A task to add.

    Parameters
    ----------
    title, note
        What to do, and details.
    due
        Day.
    needs_no_answer
        Whether the step is skipped once the customer has answered.
    """

    title: str
    note: str
    due: date
    needs_no_answer: bool


@dataclass(frozen=True, slots=True)
class PlaybookRun:
    """The playbook of one approved action.

    Parameters
    ----------
    customer, action
        Customer id, and name of the action.
    decision
        Key of the decision that was approved; a playbook is started once for each.
    owner
        Person in charge of the tasks.
    steps
        Tasks in their order.
    """

    customer: str
    action: str
    decision: str
    owner: str
    steps: tuple[PlannedStep, ...]


@dataclass(frozen=True, slots=True)
class StepCounts:
    """Number of tasks of a step: action, number of the step from 1, and tasks by status."""

    action: str
    number: int
    open: int
    overdue: int
    done: int
    skipped: int


class Playbooks:
    """Runs of playbooks in the worklist's database.

    Parameters
    ----------
    worklist
        The worklist.
    """

    def __init__(self, worklist: Worklist) -> None:
        self._database = worklist.database

    def start(self, runs: Sequence[PlaybookRun], *, by: str, at: datetime) -> int:
        """Add the tasks of approved actions, each once, except of those dismissed or snoozed since.

        Parameters
        ----------
        runs
            Playbooks of approved actions.
        by, at
            Person and time.

        Returns
        -------
        int
            Number of playbooks started.

        Raises
        ------
        JournalError
            If a customer was erased.
        """
        if not runs:
            return 0
        with self._database.writing(exclusive=True) as connection:
            refuse_erased(self._database, connection, {run.customer for run in runs})
            keys = [run.decision for run in runs]
            is_started = self._database.is_in(steps.c.decision, keys)
            left_out = set(connection.scalars(select(steps.c.decision).where(is_started)))
            # Read here, as a dismissal may be recorded after the caller has read the verdicts.
            query = select(decisions.c.about).where(
                self._database.is_in(decisions.c.about, keys),
                decisions.c.verdict.in_(("reject", "snooze")),
            )
            left_out |= set(connection.scalars(query))
            new = [run for run in runs if run.decision not in left_out]
            for run in new:
                _insert(connection, run, by=by, at=at)
        return len(new)

    def answered(self, key: str, version: int, *, by: str, at: datetime, form_id: str) -> Task:
        """Finish a step that the customer has answered, and skip the steps that need no answer.

        Parameters
        ----------
        key, version
            Id of the task, and the version that the person has seen.
        by, at, form_id
            Person, time, and unique id of the form.

        Returns
        -------
        Task
            The finished task.

        Raises
        ------
        VersionConflictError
            If someone else has changed the task in the meantime.
        JournalError
            If the task does not exist.
        """
        with self._database.writing(exclusive=True) as connection:
            task = write_task(
                connection, key, version, {"status": "done"}, by=by, at=at, form_id=form_id
            )
            step = connection.execute(select(steps).where(steps.c.task == key)).mappings().first()
            if step is not None:
                later = (
                    (steps.c.decision == step["decision"])
                    & (steps.c.number > step["number"])
                    & (steps.c.needs_no_answer == 1)
                )
                _skip(connection, later, by=by, at=at, form_id=form_id)
        return task

    def stop(self, decisions: Collection[str], *, by: str, at: datetime, form_id: str) -> int:
        """Skip the open steps of actions that were dismissed or snoozed; return their number."""
        if not decisions:
            return 0
        selected = self._database.is_in(steps.c.decision, list(decisions))
        with self._database.writing(exclusive=True) as connection:
            return _skip(connection, selected, by=by, at=at, form_id=form_id)

    def awaiting_answer(self, keys: Collection[str]) -> set[str]:
        """Return which tasks have later open steps that an answer would skip."""
        later, task = steps.alias("later"), tasks.alias("later_task")
        query = (
            select(steps.c.task)
            .join(later, later.c.decision == steps.c.decision)
            .join(task, task.c.key == later.c.task)
            .where(
                self._database.is_in(steps.c.task, list(keys)),
                later.c.number > steps.c.number,
                later.c.needs_no_answer == 1,
                task.c.status == "open",
            )
        )
        with self._database.reading() as connection:
            return set(connection.scalars(query))

    def progress(self, day: date) -> list[StepCounts]:
        """Return the number of tasks of each step by status; those due before a day are overdue."""
        overdue = (tasks.c.status == "open") & (tasks.c.due < day.isoformat())
        query = (
            select(steps.c.action, steps.c.number, tasks.c.status, overdue, func.count())
            .join(tasks, tasks.c.key == steps.c.task)
            .group_by(steps.c.action, steps.c.number, tasks.c.status, overdue)
        )
        counts: dict[tuple[str, int], dict[str, int]] = {}
        with self._database.reading() as connection:
            for action, number, status, is_late, count in connection.execute(query):
                row = counts.setdefault((action, number), {})
                row[status] = row.get(status, 0) + count
                if is_late:
                    row["overdue"] = row.get("overdue", 0) + count
        names = ("open", "overdue", "done", "skipped")
        return [
            StepCounts(action, number, *(row.get(name, 0) for name in names))
            for (action, number), row in sorted(counts.items())
        ]


def describe_note(note: str) -> str:
    """Translate the note of a playbook's task; keep one that a person has written.

    Examples
    --------
    >>> describe_note("A call: step 1 of 2"), describe_note("Prefers mornings")
    ('A call: step 1 of 2', 'Prefers mornings')
    """
    return translate_stored(note, STEP_NOTES[::-1])


def _insert(connection: Connection, run: PlaybookRun, *, by: str, at: datetime) -> None:
    when = to_microseconds(at)
    for number, step in enumerate(run.steps, start=1):
        key = entry_key(run.decision, run.customer, f"step {number}")
        connection.execute(
            insert(tasks).values(
                key=key, customer=run.customer, title=step.title, note=step.note, owner=run.owner,
                due=step.due.isoformat(), status="open", version=1, created_by=by, created_at=when,
                changed_by=by, changed_at=when,
            )
        )  # fmt: skip
        connection.execute(
            insert(steps).values(
                task=key, customer=run.customer, decision=run.decision, action=run.action,
                number=number, needs_no_answer=int(step.needs_no_answer),
            )
        )  # fmt: skip
        entry = (run.customer, "task", None, f"{step.title}; due {step.due}")
        log_changes(connection, [entry], by=by, at=at, form_id=key)


def _skip(connection: Connection, selected: Any, *, by: str, at: datetime, form_id: str) -> int:
    """Skip the open tasks of the selected steps."""
    query = (
        select(tasks)
        .join(steps, steps.c.task == tasks.c.key)
        .where(tasks.c.status == "open", selected)
    )
    rows = [read_task(row) for row in connection.execute(query).mappings().all()]
    for task in rows:
        write_task(
            connection, task.key, task.version, {"status": "skipped"}, by=by, at=at,
            form_id=f"{form_id}-{task.key}",
        )  # fmt: skip
    return len(rows)
