"""Teams of owners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from churnkit.core.time import to_microseconds
from churnkit.core.translation import _
from churnkit.journal.worklist.records import VersionConflictError
from churnkit.journal.worklist.schema import teams
from churnkit.journal.worklist.worklist import log_changes

if TYPE_CHECKING:
    from datetime import datetime

    from churnkit.journal.worklist.worklist import Worklist

__all__ = ["Membership", "Teams"]


@dataclass(frozen=True, slots=True)
class Membership:
    """Team of a person.

    Parameters
    ----------
    person
        Name of an owner.
    team
        Name of the team; empty for none.
    version
        Number of changes, for detecting concurrent ones.
    """

    person: str
    team: str
    version: int


class Teams:
    """Teams in the worklist's database.

    Parameters
    ----------
    worklist
        The worklist.
    """

    def __init__(self, worklist: Worklist) -> None:
        self._database = worklist.database

    def members(self) -> dict[str, Membership]:
        """Return the membership of each person who was ever in a team, by name."""
        query = select(teams.c.person, teams.c.team, teams.c.version).order_by(teams.c.person)
        with self._database.reading() as connection:
            return {row[0]: Membership(*row) for row in connection.execute(query)}

    def assign(
        self, person: str, team: str, version: int, *, by: str, at: datetime, form_id: str
    ) -> bool:
        """Set the team of a person; return False if the person is in this team already.

        Parameters
        ----------
        person, team
            Name of an owner, and of the team; an empty team removes the person from its team.
        version
            Version of the membership that the form has shown; 0 for none.
        by, at, form_id
            Person who changes it, time, and unique id of the form.

        Returns
        -------
        bool
            Whether the team has changed.

        Raises
        ------
        VersionConflictError
            If someone else has changed the team in the meantime.
        """
        with self._database.writing(exclusive=True) as connection:
            is_person = teams.c.person == person
            row = connection.execute(select(teams).where(is_person)).mappings().first()
            before = "" if row is None else row["team"]
            if before == team:
                return False
            if row is not None and row["version"] != version:
                raise VersionConflictError(
                    _("{by} has changed this team since the page was loaded", by=row["changed_by"])
                )
            values = {
                "team": team, "version": version + 1, "changed_by": by,
                "changed_at": to_microseconds(at),
            }  # fmt: skip
            if row is None:
                connection.execute(insert(teams).values(person=person, **values))
            else:
                connection.execute(update(teams).where(is_person).values(**values))
            entry = ("", "team", f"{person}: {before}" if before else None, f"{person}: {team}")
            log_changes(connection, [entry], by=by, at=at, form_id=form_id)
        return True
