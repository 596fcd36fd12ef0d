"""Saved views, visits, and risks at the last visit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, insert, select, update

from churnkit.core.time import from_microseconds, to_microseconds
from churnkit.journal.inserts import erased_among
from churnkit.journal.worklist.schema import risks, views, visits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from churnkit.journal.worklist.worklist import Worklist

__all__ = ["RISK_STEP", "RiskChanges", "Views", "Visits"]

RISK_STEP = 0.05
"""Smallest difference of a churn probability that counts as a change."""


class Views:
    """Saved queries of each person.

    Parameters
    ----------
    worklist
        The worklist.
    """

    def __init__(self, worklist: Worklist) -> None:
        self._database = worklist.database

    def list(self, by: str) -> dict[str, str]:
        """Return a person's queries by name."""
        query = select(views.c.name, views.c.query).where(views.c.by == by).order_by(views.c.name)
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def save(self, by: str, name: str, query: str) -> None:
        """Save a query under a name, which replaces an earlier one of this person."""
        self.remove(by, name)
        with self._database.writing(exclusive=True) as connection:
            connection.execute(insert(views).values(by=by, name=name, query=query))

    def remove(self, by: str, name: str) -> None:
        """Delete a saved query, if there is one of this name."""
        with self._database.writing(exclusive=True) as connection:
            connection.execute(delete(views).where(views.c.by == by, views.c.name == name))


class Visits:
    """Times of each person's visits.

    Parameters
    ----------
    worklist
        The worklist.
    """

    def __init__(self, worklist: Worklist) -> None:
        self._database = worklist.database

    def previous(self, by: str, at: datetime, *, pause: timedelta) -> datetime | None:
        """Record a request, and return when the person's previous visit ended.

        Parameters
        ----------
        by, at
            Person and time of the request.
        pause
            Time without requests after which a new visit begins.

        Returns
        -------
        datetime or None
            End of the previous visit; None on the first visit.
        """
        now, is_person = to_microseconds(at), visits.c.by == by
        with self._database.reading() as connection:
            row = connection.execute(select(visits).where(is_person)).mappings().first()
        is_new = row is None or now - row["at"] >= pause.total_seconds() * 1e6
        previous = 0 if row is None else row["at"] if is_new else row["previous"]
        # A minute's resolution suffices, so that most requests write nothing.
        if row is None or is_new or now - row["at"] >= 60e6:
            with self._database.writing(exclusive=True) as connection:
                connection.execute(delete(visits).where(is_person))
                connection.execute(insert(visits).values(by=by, at=now, previous=previous))
        return from_microseconds(previous) if previous else None


class RiskChanges:
    """Churn probabilities of earlier runs, kept to show changes.

    Parameters
    ----------
    worklist
        The worklist.
    """

    def __init__(self, worklist: Worklist) -> None:
        self._database = worklist.database

    def record(self, probabilities: Mapping[str, float], *, at: datetime) -> int:
        """Store the probabilities that differ by at least `RISK_STEP`; return their number."""
        when = to_microseconds(at)
        with self._database.writing(exclusive=True) as connection:
            erased = erased_among(self._database, connection, list(probabilities))
            query = select(risks.c.customer, risks.c.probability)
            stored = {row[0]: row[1] for row in connection.execute(query)}
            new = [
                {"customer": name, "probability": value, "changed_at": when}
                for name, value in probabilities.items()
                if name not in stored and name not in erased
            ]
            changed = [
                {"key": name, "value": value, "before": stored[name], "when": when}
                for name, value in probabilities.items()
                if name in stored and abs(value - stored[name]) >= RISK_STEP
            ]
            if new:
                connection.execute(insert(risks), new)
            if changed:
                statement = update(risks).where(risks.c.customer == bindparam("key"))
                connection.execute(
                    statement.values(
                        probability=bindparam("value"),
                        previous=bindparam("before"),
                        changed_at=bindparam("when"),
                    ),
                    changed,
                )
        return len(changed)

    def since(self, moment: datetime) -> dict[str, float]:
        """Return the earlier probability of customers whose risk has changed since a time."""
        query = select(risks.c.customer, risks.c.previous).where(
            risks.c.previous.is_not(None), risks.c.changed_at >= to_microseconds(moment)
        )
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}
