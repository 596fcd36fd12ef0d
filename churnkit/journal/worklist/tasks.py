"""Tasks for customers: owner, due date, note and status."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from churnkit.core.time import to_microseconds
from churnkit.core.translation import _, mark_text
from churnkit.errors import JournalError
from churnkit.journal.worklist.records import Task, VersionConflictError
from churnkit.journal.worklist.schema import tasks
from churnkit.journal.worklist.worklist import entry_key, log_changes, refuse_erased

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from churnkit.journal.worklist.worklist import Worklist

__all__ = ["TASK_STATUSES", "TASK_TEXTS", "Tasks", "read_task", "write_task"]

TASK_STATUSES = (mark_text("open"), mark_text("done"), mark_text("skipped"))
TASK_TEXTS = (*TASK_STATUSES, mark_text("due {day}"), mark_text("owner {name}"))
"""Texts of the change log, for their translation."""


class Tasks:
    """Tasks in the worklist's database.

    Parameters
    ----------
    worklist
        The worklist.
    """

    def __init__(self, worklist: Worklist) -> None:
        self._database = worklist.database

    def add(
        self,
        customer: str,
        *,
        title: str,
        owner: str = "",
        due: date | None = None,
        note: str = "",
        by: str,
        at: datetime,
        form_id: str,
    ) -> bool:
        """Add a task; return False if the form was recorded before.

        Parameters
        ----------
        customer
            Customer id.
        title, owner, due, note
            As for `Task`.
        by, at, form_id
            Person, time, and unique id of the form.

        Returns
        -------
        bool
            Whether the task is new.

        Raises
        ------
        JournalError
            If the customer was erased.
        """
        key, when = entry_key(form_id, customer, "task"), to_microseconds(at)
        with self._database.writing(exclusive=True) as connection:
            refuse_erased(self._database, connection, [customer])
            if connection.scalar(select(tasks.c.key).where(tasks.c.key == key)):
                return False
            connection.execute(
                insert(tasks).values(
                    key=key, customer=customer, title=title, note=note, owner=owner,
                    due=None if due is None else due.isoformat(), status="open", version=1,
                    created_by=by, created_at=when, changed_by=by, changed_at=when,
                )
            )  # fmt: skip
            log_changes(
                connection, [(customer, "task", None, title)], by=by, at=at, form_id=form_id
            )
        return True

    def change(
        self, key: str, version: int, *, by: str, at: datetime, form_id: str, **fields: Any
    ) -> Task:
        """Change fields of a task.

        Parameters
        ----------
        key, version
            Id of the task, and the version that the person has seen.
        by, at, form_id
            Person, time, and unique id of the form.
        **fields
            ``title``, ``note``, ``owner``, ``due`` or ``status``.

        Returns
        -------
        Task
            The changed task.

        Raises
        ------
        VersionConflictError
            If someone else has changed the task in the meantime.
        JournalError
            If the task does not exist, or a value is invalid.
        """
        with self._database.writing(exclusive=True) as connection:
            return write_task(connection, key, version, fields, by=by, at=at, form_id=form_id)

    def task(self, key: str) -> Task | None:
        """Return a task; None if there is none with this id."""
        with self._database.reading() as connection:
            rows = connection.execute(select(tasks).where(tasks.c.key == key)).mappings()
            return next(map(read_task, rows), None)

    def list(
        self,
        *,
        customer: str | None = None,
        owner: str | None = None,
        owners: Collection[str] | None = None,
        status: str | None = None,
        due: date | None = None,
        most: int = 500,
    ) -> list[Task]:
        """Return tasks by due date.

        Parameters
        ----------
        customer, owner, status
            Filters; None for all.
        owners
            Names of owners, such as those of a team; None for all.
        due
            Latest due date; None for all, those without a due date included.
        most
            Maximum number.
        """
        query = select(tasks)
        for column, value in ((tasks.c.customer, customer), (tasks.c.owner, owner)):
            if value is not None:
                query = query.where(column == value)
        if owners is not None:
            query = query.where(self._database.is_in(tasks.c.owner, owners))
        if status is not None:
            query = query.where(tasks.c.status == status)
        if due is not None:
            query = query.where(tasks.c.due <= due.isoformat())
        # Open tasks come first, those without a due date last, on every database.
        order = (tasks.c.status != "open", func.coalesce(tasks.c.due, "9999"), tasks.c.created_at)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(*order, tasks.c.key).limit(most)).mappings()
            return [read_task(row) for row in rows]

    def customer(self, key: str) -> str:
        """Return the customer of a task; empty if there is no such task."""
        query = select(tasks.c.customer).where(tasks.c.key == key)
        with self._database.reading() as connection:
            return connection.execute(query).scalar() or ""

    def due_customers(self, day: date) -> dict[str, date]:
        """Return the earliest due date of each customer's open tasks that are due by a day."""
        query = (
            select(tasks.c.customer, func.min(tasks.c.due))
            .where(tasks.c.status == "open", tasks.c.due <= day.isoformat())
            .group_by(tasks.c.customer)
        )
        with self._database.reading() as connection:
            return {name: date.fromisoformat(due) for name, due in connection.execute(query)}


def write_task(
    connection: Connection,
    key: str,
    version: int,
    fields: dict[str, Any],
    *,
    by: str,
    at: datetime,
    form_id: str,
) -> Task:
    """Change fields of a task within a transaction; see `Tasks.change`."""
    if fields.get("status", "open") not in TASK_STATUSES:
        raise JournalError(f"status must be one of {', '.join(TASK_STATUSES)}")
    if fields.get("due") is not None:
        fields = fields | {"due": fields["due"].isoformat()}
    row = connection.execute(select(tasks).where(tasks.c.key == key)).mappings().first()
    if row is None:
        raise JournalError(_("the task does not exist: reload the page"))
    if all(row[name] == value for name, value in fields.items()):
        return read_task(row)
    if row["version"] != version:
        raise VersionConflictError(
            _("{by} has changed this task since the page was loaded", by=row["changed_by"])
        )
    stamp = {"version": version + 1, "changed_by": by, "changed_at": to_microseconds(at)}
    connection.execute(update(tasks).where(tasks.c.key == key).values(**fields, **stamp))
    entry = (row["customer"], "task", _text(row), _text({**row, **fields}))
    log_changes(connection, [entry], by=by, at=at, form_id=form_id)
    return read_task({**row, **fields, **stamp})


def _text(row: Any) -> str:
    """Describe a task in the change log."""
    parts = [row["title"], row["status"]]
    parts += [f"due {row['due']}"] if row["due"] else []
    parts += [f"owner {row['owner']}"] if row["owner"] else []
    return "; ".join([*parts, *([row["note"]] if row["note"] else [])])


def read_task(row: Any) -> Task:
    """Return the task of a row of the database."""
    return Task(
        row["key"], row["customer"], row["title"], row["note"], row["owner"],
        date.fromisoformat(row["due"]) if row["due"] else None, row["status"], row["version"],
        row["changed_by"],
    )  # fmt: skip
