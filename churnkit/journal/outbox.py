"""Outbox of decisions: which actions were sent to which destination, and with what result.

Examples
--------
>>> from datetime import date
>>> from churnkit.journal import DecisionRecord, Journal, Outbox
>>> day = date(2026, 11, 1)
>>> journal = Journal.open("sqlite://")
>>> call = DecisionRecord("k1", "c1", day, day, "shop", action="call", propensity=0.9)
>>> _ = journal.record([call])
>>> outbox = Outbox(journal)
>>> outbox.add("crm", {"k1": "c1"}, at=day)
1
>>> outbox.mark("crm", {"k1": None}, "sent", at=day)
>>> outbox.states("crm", ["k1"])
{'k1': 'sent'}
>>> journal.close()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlalchemy import bindparam, func, insert, select, update

from churnkit.core.time import to_microseconds
from churnkit.journal.entry_keys import decision_key, moment
from churnkit.journal.inserts import write_outcomes
from churnkit.journal.outbox_schema import OUTBOX_METADATA, outbox
from churnkit.journal.records import OutcomeRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date, datetime

    from churnkit.journal.journal import Journal

__all__ = ["Outbox", "OutboxState"]

OutboxState = Literal["pending", "sending", "sent", "failed", "undone"]
_GROUP = 5000


class Outbox:
    """Deliveries, one row per decision and destination.

    Parameters
    ----------
    journal
        The journal that has the decisions; the table is created in it.
    """

    def __init__(self, journal: Journal) -> None:
        self._database = journal.database
        with self._database.defining() as connection:
            OUTBOX_METADATA.create_all(connection)

    def add(self, destination: str, decisions: Mapping[str, str], *, at: date | datetime) -> int:
        """Add decisions that are to be sent.

        Parameters
        ----------
        destination
            Name of the destination.
        decisions
            Customer by the key of the decision.
        at
            Time of the call.

        Returns
        -------
        int
            Number of new rows; decisions that are already in the outbox are kept as they are.
        """
        when = to_microseconds(moment("at", at))
        count = 0
        for keys in _groups(list(decisions)):
            with self._database.writing(exclusive=True) as connection:
                query = select(outbox.c.decision).where(
                    outbox.c.destination == destination,
                    self._database.is_in(outbox.c.decision, keys),
                )
                present = set(connection.scalars(query))
                rows = [
                    {
                        "decision": key,
                        "destination": destination,
                        "customer": decisions[key],
                        "state": "pending",
                        "reason": None,
                        "changed_at": when,
                    }
                    for key in keys
                    if key not in present
                ]
                if rows:
                    connection.execute(insert(outbox), rows)
            count += len(rows)
        return count

    def mark(
        self,
        destination: str,
        reasons: Mapping[str, str | None],
        state: OutboxState,
        *,
        at: date | datetime,
        is_outcome: bool = True,
    ) -> None:
        """Change the state of decisions in one transaction.

        ``"sent"`` and ``"undone"`` are outcomes of the decision too, so that evaluations see them.

        Parameters
        ----------
        destination
            Name of the destination.
        reasons
            Reason, or None, by the key of the decision.
        state
            New state.
        at
            Time of the call.
        is_outcome
            Whether to record such an outcome; False for messages that are no decisions.
        """
        if not reasons:
            return
        changed = (
            update(outbox)
            .where(outbox.c.destination == destination, outbox.c.decision == bindparam("key"))
            .values(state=state, reason=bindparam("why"), changed_at=bindparam("time"))
        )
        when = to_microseconds(moment("at", at))
        rows = [{"key": key, "why": why, "time": when} for key, why in reasons.items()]
        outcomes = []
        if is_outcome and state in {"sent", "undone"}:
            for key in reasons:
                entry = decision_key(state, destination, key, str(when))
                detail = {"destination": destination}
                outcomes.append(
                    OutcomeRecord(entry, state, 1.0, at, decision=key, detail=detail).to_row()
                )
        with self._database.writing(exclusive=True) as connection:
            connection.execute(changed, rows)
            write_outcomes(self._database, connection, outcomes)

    def claim(self, destination: str, keys: Collection[str], *, at: date | datetime) -> set[str]:
        """Mark pending decisions as being sent, so that no other program sends them.

        Parameters
        ----------
        destination
            Name of the destination.
        keys
            Keys of decisions.
        at
            Time of the call.

        Returns
        -------
        set of str
            Keys that were pending; the caller sends these.
        """
        when = to_microseconds(moment("at", at))
        with self._database.writing(exclusive=True) as connection:
            # The state is compared here: with it, SQLite would read all pending rows instead.
            query = select(outbox.c.decision, outbox.c.state).where(
                outbox.c.destination == destination,
                self._database.is_in(outbox.c.decision, list(keys)),
            )
            claimed = {key for key, state in connection.execute(query) if state == "pending"}
            changed = update(outbox).where(
                outbox.c.destination == destination,
                self._database.is_in(outbox.c.decision, list(claimed)),
            )
            connection.execute(changed.values(state="sending", changed_at=when))
        return claimed

    def states(self, destination: str, keys: Collection[str]) -> dict[str, str]:
        """Return the states of decisions that are in the outbox.

        Parameters
        ----------
        destination
            Name of the destination.
        keys
            Keys of decisions.

        Returns
        -------
        dict
            State by key.
        """
        states: dict[str, str] = {}
        query = select(outbox.c.decision, outbox.c.state).where(outbox.c.destination == destination)
        with self._database.reading() as connection:
            for group in _groups(list(keys)):
                rows = connection.execute(
                    query.where(self._database.is_in(outbox.c.decision, group))
                )
                states |= {row[0]: row[1] for row in rows}
        return states

    def in_state(self, destination: str, state: OutboxState) -> dict[str, str]:
        """Return the customers of all decisions in a state, by key.

        Parameters
        ----------
        destination
            Name of the destination.
        state
            State of the decisions.

        Returns
        -------
        dict
            Customer by key, in the order of the keys.
        """
        query = (
            select(outbox.c.decision, outbox.c.customer)
            .where(outbox.c.destination == destination, outbox.c.state == state)
            .order_by(outbox.c.decision)
        )
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def counts(self, destination: str) -> dict[str, int]:
        """Return the number of decisions by state.

        Parameters
        ----------
        destination
            Name of the destination.

        Returns
        -------
        dict
            Number by state.
        """
        query = (
            select(outbox.c.state, func.count())
            .where(outbox.c.destination == destination)
            .group_by(outbox.c.state)
            .order_by(outbox.c.state)
        )
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}


def _groups(keys: list[str]) -> list[list[str]]:
    return [keys[start : start + _GROUP] for start in range(0, len(keys), _GROUP)]
