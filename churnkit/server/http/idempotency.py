"""Idempotency keys: a repeated request gets the reply of the first, from any worker."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from churnkit.server.http.route import Reply

__all__ = ["REPLIES_FILE", "IdempotentReplies", "IdempotentRequest", "idempotent_request"]

REPLIES_FILE: Final = "replies.db"
_KEY: Final = re.compile(rb"[\x21-\x7e]{1,200}")
_KEPT_SECONDS: Final = 86_400.0
_MAX_REPLIES: Final = 10_000
_MAX_BYTES: Final = 64_000_000
_PRUNED_EVERY: Final = 500
# A request without a reply after this time belonged to a worker that was killed.
_ABANDONED_SECONDS: Final = 60.0
_BUSY_SECONDS: Final = 5.0
_SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS replies (
        name BLOB PRIMARY KEY, body BLOB NOT NULL, at REAL NOT NULL, reply BLOB
    ) WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an ``Idempotency-Key``.

    Parameters
    ----------
    name
        Digest of the client and its key.
    body
        Digest of the body.
    """

    name: bytes
    body: bytes

    @property
    def ids(self) -> str:
        """The id of its reply: the same in every worker, and another for another body."""
        return hashlib.sha256(self.name + self.body).hexdigest()[:24]


def idempotent_request(
    headers: Mapping[bytes, bytes], client_key: str, body: bytes
) -> IdempotentRequest:
    """Return the identity of a request with an ``Idempotency-Key``.

    Raises
    ------
    Problem
        400 if the key is not 1 to 200 visible ASCII characters.
    """
    key = headers[b"idempotency-key"]
    if not _KEY.fullmatch(key):
        detail = "idempotency-key must have 1 to 200 visible ASCII characters"
        raise Problem(400, "idempotency-key", detail)
    name = hashlib.sha256(client_key.encode() + b"\0" + key).digest()
    return IdempotentRequest(name, hashlib.sha256(body).digest())


class IdempotentReplies:
    """The newest 10,000 replies of a day that may be asked for again.

    The workers of a machine share a SQLite file, so that each of them repeats the replies of the
    others and refuses a key that another one has seen with another body.

    Parameters
    ----------
    folder
        Folder for the file, for its owner alone; None to keep replies in memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._path = None if folder is None else folder / REPLIES_FILE
        self._ends = 0

    @cached_property
    def _database(self) -> sqlite3.Connection:
        """The database, opened with the first key."""
        if self._path is not None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(
            ":memory:" if self._path is None else self._path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        # A loss of power may lose replies, not decisions, whose ids depend on the request alone.
        for statement in ("journal_mode = WAL", "synchronous = OFF", "secure_delete = ON"):
            database.execute(f"PRAGMA {statement}")
        database.execute(_SCHEMA)
        return database

    def begin(self, request: IdempotentRequest) -> bytes | None:
        """Return the body of the stored reply, or register a request whose reply is to come.

        Raises
        ------
        Problem
            422 if the key came with another body, 409 if its reply is still to come, 503 if the
            file cannot be used.
        """
        now = time.time()
        try:
            # One statement: of two workers, one registers the request.
            cursor = self._database.execute(
                "INSERT INTO replies VALUES (?, ?, ?, NULL) ON CONFLICT (name) DO UPDATE SET "
                "body = excluded.body, at = excluded.at, reply = NULL "
                "WHERE at < ? OR (reply IS NULL AND at < ?)",
                (*(request.name, request.body, now), now - _KEPT_SECONDS, now - _ABANDONED_SECONDS),
            )
            if cursor.rowcount:
                return None
            body, reply = self._database.execute(
                "SELECT body, reply FROM replies WHERE name = ?", (request.name,)
            ).fetchone() or (request.body, None)
        except (sqlite3.Error, OSError):
            raise _unavailable() from None
        if body != request.body:
            raise Problem(
                422,
                "idempotency-key",
                "this idempotency-key was used with another body: use a new key for each request",
            )
        if reply is None:
            raise Problem(
                409,
                "under-way",
                "the first request with this idempotency-key is still being answered: wait",
                headers={"retry-after": "1"},
            )
        return bytes(reply)

    def end(self, request: IdempotentRequest, reply: Reply | None) -> None:
        """Store a reply; forget the request if there is none."""
        try:
            if reply is None:
                self._database.execute("DELETE FROM replies WHERE name = ?", (request.name,))
                return
            self._database.execute(
                "UPDATE replies SET reply = ? WHERE name = ? AND body = ?",
                (reply.body, request.name, request.body),
            )
            self._ends += 1
            if self._ends % _PRUNED_EVERY == 0:
                self._prune()
        except (sqlite3.Error, OSError):
            raise _unavailable() from None

    def _prune(self) -> None:
        """Delete replies beyond the limits, the oldest first."""
        self._database.execute("DELETE FROM replies WHERE at < ?", (time.time() - _KEPT_SECONDS,))
        self._database.execute(
            "DELETE FROM replies WHERE name IN (SELECT name FROM (SELECT name, row_number() OVER "
            "newest AS place, sum(length(reply)) OVER newest AS bytes FROM replies "
            "WINDOW newest AS (ORDER BY at DESC, name)) WHERE place > ? OR bytes > ?)",
            (_MAX_REPLIES, _MAX_BYTES),
        )

    def erase(self, customers: Collection[str], *, dry_run: bool = False) -> int:
        """Delete the replies that name a customer; return their number."""
        count = 0
        for customer in customers:
            # A reply without this customer may be deleted too: it is only a copy.
            text = (json.dumps(customer, ensure_ascii=False)[1:-1],)
            named = "FROM replies WHERE instr(reply, CAST(? AS BLOB))"
            [(found,)] = self._database.execute(f"SELECT count(*) {named}", text)
            count += int(found)
            if not dry_run:
                self._database.execute(f"DELETE {named}", text)
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return count

    def close(self) -> None:
        """Close the file; the next key opens it again."""
        if "_database" in self.__dict__:
            self._database.close()
            del self._database


def _unavailable() -> Problem:
    return Problem(
        503,
        "idempotency-away",
        "the replies to earlier requests cannot be read or stored: try again",
        headers={"retry-after": "5"},
    )
