"""Write the endpoint's decisions and outcomes to the journal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from churnkit.core.user_code_errors import error_location
from churnkit.errors import JournalError
from churnkit.server.decision_log.write_ahead_log import WriteAheadLog
from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from churnkit.decisions import ContactLimit, History
    from churnkit.journal import DecisionRecord, Journal, OutcomeRecord, WriteResult
    from churnkit.server.observability.metrics import Metrics

__all__ = ["Recorder", "unreachable_journal"]

_LOG = logging.getLogger("churnkit.server")
_MAX_WAITING: Final = 100_000
_BATCH: Final = 1_000
_PAUSE_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 1.0
_SYNC_SECONDS: Final = 1.0
_SLOW_SECONDS: Final = 2.0


class Recorder:
    """Writes decisions after their replies, and outcomes before theirs.

    A decision is on disk before its reply goes out, and in the journal within a tenth of a
    second. While the journal cannot be reached decisions wait, also if it is away from the start;
    when too many wait, further ones are refused instead of lost.

    Parameters
    ----------
    url
        SQLAlchemy URL of the journal.
    folder
        From `churnkit.server.decision_log.spool_folder.prepare_spool`.
    metrics
        Counts records and failures.
    sync_always
        Whether the disk, not only the operating system, has a decision before its reply goes out.
    """

    def __init__(
        self, url: str, folder: Path, metrics: Metrics, *, sync_always: bool = False
    ) -> None:
        self._url = url
        self._log = WriteAheadLog(folder)
        self._metrics = metrics
        self._sync_always = sync_always
        self._journal: Journal | None = None
        self._next_attempt = 0.0
        self._opening = asyncio.Lock()
        self._waiting: deque[DecisionRecord] = deque()
        self._is_full = False
        self._filled = asyncio.Event()
        self._write_lock = asyncio.Lock()
        for kind in ("decision", "outcome", "rejected", "erased"):
            metrics.count("churnkit_journal_records", kind, by=0)
        metrics.count("churnkit_journal_failures", by=0)
        metrics.show("churnkit_journal_waiting", value=0.0)

    async def open(self) -> Journal:
        """Return the journal, opened if it is not open yet.

        Raises
        ------
        Problem
            503 if it cannot be reached; attempts are a second apart.
        JournalError
            If it never can: its URL is invalid, or a newer churnkit wrote it.
        """
        async with self._opening:
            if self._journal is None:
                if time.monotonic() < self._next_attempt:
                    raise unreachable_journal()
                from churnkit.journal import Journal

                try:
                    self._journal = await asyncio.to_thread(Journal.open, self._url)
                except JournalError as error:
                    if not _is_away(error):
                        raise
                    self._next_attempt = time.monotonic() + _RETRY_SECONDS
                    raise self._away(error) from None
                self._metrics.show("churnkit_journal_reachable", value=1.0)
            return self._journal

    def _away(self, error: JournalError) -> Problem:
        self._metrics.count("churnkit_journal_failures")
        self._metrics.show("churnkit_journal_reachable", value=0.0)
        _LOG.warning("%s", error)
        return unreachable_journal()

    async def add(self, records: Sequence[DecisionRecord]) -> None:
        """Take decisions whose reply is about to go out.

        Raises
        ------
        Problem
            503 if too many wait already, or the disk is full.
        """
        if len(self._waiting) + len(records) > _MAX_WAITING:
            raise unreachable_journal()
        try:
            self._log.add(records)
            # They wait from here on, also if the request is cancelled meanwhile.
            self._waiting.extend(records)
            self._metrics.show("churnkit_journal_waiting", value=len(self._waiting))
            self._filled.set()
            if self._sync_always:
                await asyncio.to_thread(self._log.sync)
        except OSError as error:
            self._metrics.count("churnkit_spool_failures")
            if not self._is_full:
                # Once: the next line would go to the same disk.
                self._is_full = True
                _LOG.error("decisions are refused, they cannot be stored: %s", error.strerror)
            raise _full_spool() from None
        if self._is_full:
            self._is_full = False
            _LOG.info("decisions can be stored again")

    async def record_now(
        self, records: Sequence[DecisionRecord], limits: Sequence[ContactLimit]
    ) -> tuple[str, ...]:
        """Write decisions at once, within contact limits; return the keys above a limit.

        Raises
        ------
        Problem
            503 if the journal cannot be reached, 409 if it refuses them.
        """
        recorded: WriteResult = await self._call("record", records, limits=limits)
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
        recorded: WriteResult = await self._call("record_outcomes", outcomes)
        self._metrics.count("churnkit_journal_records", "outcome", by=recorded.written)
        return recorded

    async def history(self, customers: list[str], since: datetime) -> History:
        """Read past contacts and outcomes of customers, for contact rules."""
        from churnkit.decisions import History

        contacts = await self._call("contacts", customers, since)
        return History.from_rows(contacts.to_pylist())

    async def _call(self, method: str, *arguments: Any, **settings: Any) -> Any:
        journal = await self.open()
        try:
            return await asyncio.to_thread(getattr(journal, method), *arguments, **settings)
        except JournalError as error:
            if _is_away(error):
                raise self._away(error) from None
            raise Problem(
                409,
                "journal",
                "the journal refuses the request: an id exists with another body, a customer was "
                "erased, or a decision is unknown",
            ) from None

    async def run(self) -> None:
        """Write what waits until cancelled; first the decisions of workers that died."""
        recovered = False
        while True:
            recovered = recovered or await self._recover()
            if await self.flush() and recovered:
                await self._filled.wait()
                self._filled.clear()
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                await asyncio.sleep(_RETRY_SECONDS)

    async def sync(self) -> None:
        """Let the disk hold what waits, once a second until cancelled."""
        while True:
            await asyncio.sleep(_SYNC_SECONDS)
            await asyncio.to_thread(self._log.sync)

    async def flush(self) -> bool:
        """Write what waits; return whether all of it is written."""
        async with self._write_lock:
            while self._waiting:
                size = min(len(self._waiting), _BATCH)
                if not await self._write([self._waiting[position] for position in range(size)]):
                    return False
                for _ in range(size):
                    self._waiting.popleft()
                self._metrics.show("churnkit_journal_waiting", value=len(self._waiting))
            self._log.clear()
        return True

    async def close(self) -> None:
        """Write the rest if the journal can be reached; otherwise it stays on disk."""
        try:
            await self.flush()
        except JournalError as error:
            _LOG.error("%s; decisions that wait stay on disk", error)
        self._log.close()
        if self._journal is not None:
            self._journal.close()

    async def _recover(self) -> bool:
        """Write the decisions of workers that died; return False if the journal is away."""
        for orphan in self._log.orphans():
            if orphan.torn_bytes:
                _LOG.warning(
                    "the last %s bytes of %s are incomplete: that reply was not sent",
                    *(orphan.torn_bytes, orphan.path.name),
                )
            if not await self._write(list(orphan.records)):
                return False
            if orphan.invalid:
                self._reject(orphan.invalid, f"{orphan.path.name} is of another version or damaged")
            self._log.remove(orphan)
            _LOG.info("%s decisions of a worker that died were written", len(orphan.records))
        return True

    def _reject(self, lines: Sequence[DecisionRecord | bytes], reason: str) -> None:
        file = self._log.reject(lines)
        self._metrics.count("churnkit_journal_records", "rejected", by=len(lines))
        _LOG.error(
            "%s decisions cannot be written, and are kept in %s: %s", len(lines), file, reason
        )

    async def _write(self, records: list[DecisionRecord]) -> bool:
        """Write records; return False if the journal cannot be reached."""
        start = time.monotonic()
        try:
            journal = await self.open()
            recorded = await asyncio.to_thread(journal.record, records)
        except Problem:
            return False
        except Exception as error:
            if isinstance(error, JournalError) and _is_away(error):
                self._away(error)
                return False
            if self._journal is None:
                raise
            if len(records) > 1:
                return all([await self._write([record]) for record in records])
            return await self._refuse(records[0], error)
        seconds = time.monotonic() - start
        if seconds > _SLOW_SECONDS:
            _LOG.warning(
                "a write to the journal took %.1f s; %s decisions wait", seconds, len(self._waiting)
            )
        self._metrics.show("churnkit_journal_reachable", value=1.0)
        self._metrics.count("churnkit_journal_records", "decision", by=recorded.written)
        return True

    async def _refuse(self, record: DecisionRecord, error: Exception) -> bool:
        """Drop a record of an erased customer; keep any other record that the journal refuses."""
        journal = await self.open()
        try:
            erased = await asyncio.to_thread(journal.erased, [record.customer])
        except JournalError:
            return False
        if erased:
            self._metrics.count("churnkit_journal_records", "erased")
            _LOG.info("a decision about an erased customer was dropped")
        elif isinstance(error, JournalError):
            self._reject([record], "the journal refuses it: its id exists, or a value is invalid")
        else:
            self._reject([record], f"{type(error).__name__} at {error_location(error)}")
        return True


def _is_away(error: JournalError) -> bool:
    """Return whether an error is of the connection or the database, not of an entry."""
    from sqlalchemy.exc import (
        DataError,
        DBAPIError,
        IntegrityError,
        SQLAlchemyError,
        StatementError,
    )

    cause = error.__context__
    if isinstance(cause, (DataError, IntegrityError)):
        return False
    is_entry = isinstance(cause, StatementError) and not isinstance(cause, DBAPIError)
    return isinstance(cause, SQLAlchemyError) and not is_entry


def _full_spool() -> Problem:
    return Problem(
        503,
        "spool-full",
        "the decision cannot be stored, and none is made without that: try again",
        headers={"retry-after": "5"},
    )


def unreachable_journal() -> Problem:
    """Return the refusal of a request that needs the journal while it is away."""
    return Problem(
        503,
        "journal-away",
        "the journal cannot be reached, and no decision is made without it: try again",
        headers={"retry-after": "5"},
    )
