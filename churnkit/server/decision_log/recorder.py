"""Decisions and outcomes of the endpoint, written to the journal."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from churnkit.errors import JournalError
from churnkit.server.decision_log.write_ahead_log import Line, Spool
from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.decisions import ContactLimit, History
    from churnkit.journal import Journal, OutcomeRecord, WriteResult
    from churnkit.server.observability.metrics import Metrics

__all__ = ["Recorder", "spool_folder"]

_LOG = logging.getLogger("churnkit.server")
_MOST_WAITING: Final = 100_000
_GROUP: Final = 1_000
_PAUSE_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0


def spool_folder(named: str | None) -> Path:
    """Return where decisions wait: the folder that was named, or one of this user's own."""
    return Path(named or Path(tempfile.gettempdir()) / f"churnkit-spool-{os.getuid()}")


class Recorder:
    """Writes decisions behind the answers, and outcomes before theirs.

    A decision is on disk before its answer goes out, and in the journal within a tenth of a
    second. While the journal cannot be reached decisions wait; when too many do, further ones
    are refused instead of lost.

    Parameters
    ----------
    url
        The journal's.
    folder
        Where decisions wait.
    metrics
        Where records and failures are counted.
    """

    def __init__(self, url: str, folder: Path, metrics: Metrics) -> None:
        from churnkit.journal import Journal

        self.journal: Journal = Journal.open(url)
        self._spool = Spool(folder)
        self._metrics = metrics
        self._waiting: deque[Line] = deque()
        self._bell = asyncio.Event()
        self._writing = asyncio.Lock()

    def add(self, lines: list[Line]) -> None:
        """Take decisions that are about to be answered.

        Raises
        ------
        Problem
            503 if too many wait already, or there is no room on disk.
        """
        if len(self._waiting) + len(lines) > _MOST_WAITING:
            raise _unreachable()
        try:
            self._spool.add(lines)
        except OSError as error:
            _LOG.error("decisions cannot be kept: %s", error.strerror)
            raise _unreachable() from None
        self._waiting.extend(lines)
        self._bell.set()

    async def record_now(
        self, lines: list[Line], limits: Sequence[ContactLimit]
    ) -> tuple[str, ...]:
        """Write decisions at once, where contact limits must hold; return the capped keys.

        Raises
        ------
        Problem
            503 if the journal cannot be reached, 409 if it refuses them.
        """
        found: WriteResult = await self._asked(
            self.journal.record, map(_decision, lines), limits=limits
        )
        self._metrics.count("churnkit_journal_records", "decision", by=found.written)
        return found.capped

    async def record_outcomes(self, outcomes: list[OutcomeRecord]) -> WriteResult:
        """Write outcomes, after every decision that this worker has answered.

        Raises
        ------
        Problem
            503 if the journal cannot be reached, 409 if it refuses them.
        """
        await self.flush()
        found: WriteResult = await self._asked(self.journal.record_outcomes, outcomes)
        self._metrics.count("churnkit_journal_records", "outcome", by=found.written)
        return found

    async def history(self, customers: list[str], since: datetime) -> History:
        """Read what contact rules need to know of customers."""
        from churnkit.decisions import History

        found = await self._asked(self.journal.contacts, customers, since)
        return History.from_rows(found.to_pylist())

    async def _asked(self, question: Any, *given: Any, **settings: Any) -> Any:
        try:
            return await asyncio.to_thread(question, *given, **settings)
        except JournalError as error:
            if _is_out_of_reach(error):
                self._metrics.count("churnkit_journal_failures")
                _LOG.warning("%s", error)
                raise _unreachable() from None
            raise Problem(
                409,
                "journal",
                "the journal refuses this: an id stands in it with another body, a customer was "
                "erased, or a decision is not known",
            ) from None

    async def run(self) -> None:
        """Write what waits, until cancelled; first what dead workers left."""
        await self._adopt()
        while True:
            await self._bell.wait()
            self._bell.clear()
            await asyncio.sleep(_PAUSE_SECONDS)
            if not await self.flush():
                await asyncio.sleep(_RETRY_SECONDS)
                self._bell.set()

    async def flush(self) -> bool:
        """Write what waits; return whether all of it is written."""
        async with self._writing:
            while self._waiting:
                group = [self._waiting[place] for place in range(min(len(self._waiting), _GROUP))]
                if not await self._write(group):
                    return False
                for _ in group:
                    self._waiting.popleft()
            self._spool.clear()
        return True

    async def close(self) -> None:
        """Write the rest, if the journal can be reached; else it stays on disk."""
        await self.flush()
        self._spool.close()
        self.journal.close()

    async def _adopt(self) -> None:
        for place, lines in self._spool.left_over():
            if await self._write(lines):
                self._spool.done(place)
                _LOG.info("%s decisions of a worker that is gone were written", len(lines))

    async def _write(self, lines: list[Line]) -> bool:
        """Write lines; return False if the journal cannot be reached."""
        self._metrics.show("churnkit_journal_waiting", value=len(self._waiting))
        try:
            found = await asyncio.to_thread(self.journal.record, map(_decision, lines))
        except JournalError as error:
            if _is_out_of_reach(error):
                self._metrics.count("churnkit_journal_failures")
                _LOG.warning("%s", error)
                return False
            if len(lines) > 1:
                # One of them is refused: the others are written all the same.
                return all([await self._write([line]) for line in lines])
            self._metrics.count("churnkit_journal_records", "refused")
            _LOG.error("the journal refuses a decision: a customer was erased, or its id is known")
            return True
        self._metrics.count("churnkit_journal_records", "decision", by=found.written)
        return True


def _decision(line: Line) -> Any:
    from churnkit.journal import DecisionRecord

    moment = datetime.fromtimestamp(line["at"], UTC)
    told = {name: value for name, value in line.items() if name != "at"}
    return DecisionRecord(as_of=moment.date(), decided_at=moment, **told)


def _is_out_of_reach(error: JournalError) -> bool:
    """Tell whether the database failed, and not what was asked of it."""
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error.__context__, SQLAlchemyError)


def _unreachable() -> Problem:
    return Problem(
        503,
        "journal-away",
        "the journal cannot be reached, and nothing is decided without it: try again",
        headers={"retry-after": "5"},
    )
