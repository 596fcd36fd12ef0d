"""Write the endpoint's decisions and outcomes to the journal."""

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
from churnkit.server.decision_log.write_ahead_log import Line, WriteAheadLog
from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.decisions import ContactLimit, History
    from churnkit.journal import Journal, OutcomeRecord, WriteResult
    from churnkit.server.observability.metrics import Metrics

__all__ = ["Recorder", "spool_folder"]

_LOG = logging.getLogger("churnkit.server")
_MAX_WAITING: Final = 100_000
_BATCH: Final = 1_000
_PAUSE_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0


def spool_folder(path: str | None) -> Path:
    """Return the folder where decisions wait: the given one, or this user's temporary one."""
    return Path(path or Path(tempfile.gettempdir()) / f"churnkit-spool-{os.getuid()}")


class Recorder:
    """Writes decisions after their replies, and outcomes before theirs.

    A decision is on disk before its reply goes out, and in the journal within a tenth of a
    second. While the journal cannot be reached decisions wait; when too many wait, further ones
    are refused instead of lost.
    """

    def __init__(self, url: str, folder: Path, metrics: Metrics) -> None:
        from churnkit.journal import Journal

        self.journal: Journal = Journal.open(url)
        self._log = WriteAheadLog(folder)
        self._metrics = metrics
        self._waiting: deque[Line] = deque()
        self._filled = asyncio.Event()
        self._write_lock = asyncio.Lock()

    def add(self, lines: list[Line]) -> None:
        """Take decisions whose reply is about to go out.

        Raises
        ------
        Problem
            503 if too many wait already, or the disk is full.
        """
        if len(self._waiting) + len(lines) > _MAX_WAITING:
            raise _unreachable()
        try:
            self._log.add(lines)
        except OSError as error:
            _LOG.error("decisions cannot be stored: %s", error.strerror)
            raise _unreachable() from None
        self._waiting.extend(lines)
        self._filled.set()

    async def record_now(
        self, lines: list[Line], limits: Sequence[ContactLimit]
    ) -> tuple[str, ...]:
        """Write decisions at once, within contact limits; return the keys above a limit.

        Raises
        ------
        Problem
            503 if the journal cannot be reached, 409 if it refuses them.
        """
        recorded: WriteResult = await self._call(
            self.journal.record, map(_decision, lines), limits=limits
        )
        self._metrics.count("churnkit_journal_records", "decision", by=recorded.written)
        return recorded.capped

    async def record_outcomes(self, outcomes: list[OutcomeRecord]) -> WriteResult:
        """Write outcomes, after every decision that this worker has answered.

        Raises
        ------
        Problem
            503 if the journal cannot be reached, 409 if it refuses them.
        """
        await self.flush()
        recorded: WriteResult = await self._call(self.journal.record_outcomes, outcomes)
        self._metrics.count("churnkit_journal_records", "outcome", by=recorded.written)
        return recorded

    async def history(self, customers: list[str], since: datetime) -> History:
        """Read past contacts and outcomes of customers, for contact rules."""
        from churnkit.decisions import History

        contacts = await self._call(self.journal.contacts, customers, since)
        return History.from_rows(contacts.to_pylist())

    async def _call(self, function: Any, *arguments: Any, **settings: Any) -> Any:
        try:
            return await asyncio.to_thread(function, *arguments, **settings)
        except JournalError as error:
            if _is_database_error(error):
                self._metrics.count("churnkit_journal_failures")
                _LOG.warning("%s", error)
                raise _unreachable() from None
            raise Problem(
                409,
                "journal",
                "the journal refuses the request: an id exists with another body, a customer was "
                "erased, or a decision is unknown",
            ) from None

    async def run(self) -> None:
        """Write what waits until cancelled; first the decisions of workers that died."""
        await self._recover()
        while True:
            await self._filled.wait()
            self._filled.clear()
            await asyncio.sleep(_PAUSE_SECONDS)
            if not await self.flush():
                await asyncio.sleep(_RETRY_SECONDS)
                self._filled.set()

    async def flush(self) -> bool:
        """Write what waits; return whether all of it is written."""
        async with self._write_lock:
            while self._waiting:
                size = min(len(self._waiting), _BATCH)
                batch = [self._waiting[position] for position in range(size)]
                if not await self._write(batch):
                    return False
                for _ in batch:
                    self._waiting.popleft()
            self._log.clear()
        return True

    async def close(self) -> None:
        """Write the rest if the journal can be reached; otherwise it stays on disk."""
        await self.flush()
        self._log.close()
        self.journal.close()

    async def _recover(self) -> None:
        for file, lines in self._log.orphans():
            if await self._write(lines):
                self._log.remove(file)
                _LOG.info("%s decisions of a worker that died were written", len(lines))

    async def _write(self, lines: list[Line]) -> bool:
        """Write lines; return False if the journal cannot be reached."""
        self._metrics.show("churnkit_journal_waiting", value=len(self._waiting))
        try:
            recorded = await asyncio.to_thread(self.journal.record, map(_decision, lines))
        except JournalError as error:
            if _is_database_error(error):
                self._metrics.count("churnkit_journal_failures")
                _LOG.warning("%s", error)
                return False
            if len(lines) > 1:
                # One of them is refused; the others are written.
                return all([await self._write([line]) for line in lines])
            self._metrics.count("churnkit_journal_records", "refused")
            _LOG.error("the journal refuses a decision: a customer was erased, or its id exists")
            return True
        self._metrics.count("churnkit_journal_records", "decision", by=recorded.written)
        return True


def _decision(line: Line) -> Any:
    from churnkit.journal import DecisionRecord

    moment = datetime.fromtimestamp(line["at"], UTC)
    fields = {name: value for name, value in line.items() if name != "at"}
    return DecisionRecord(as_of=moment.date(), decided_at=moment, **fields)


def _is_database_error(error: JournalError) -> bool:
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error.__context__, SQLAlchemyError)


def _unreachable() -> Problem:
    return Problem(
        503,
        "journal-away",
        "the journal cannot be reached, and no decision is made without it: try again",
        headers={"retry-after": "5"},
    )
