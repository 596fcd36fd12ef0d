"""Idempotency keys: a repeated request gets the reply of the first."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.server.http.route import Reply

__all__ = ["IdempotentReplies", "IdempotentRequest", "idempotent_request"]

_KEY: Final = re.compile(rb"[\x21-\x7e]{1,200}")
_MAX_REPLIES: Final = 10_000
_MAX_BYTES: Final = 64_000_000


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
        """The id of its reply: the same in every worker, and after a restart."""
        return self.name.hex()[:24]


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
    """Replies of this worker that may be asked for again: the newest 10,000, in memory.

    The ids of decisions come from the key, so that the journal takes a decision once even when
    its reply is no longer stored.
    """

    def __init__(self) -> None:
        self._stored: OrderedDict[bytes, tuple[bytes, Reply | None]] = OrderedDict()
        self._bytes = 0

    def begin(self, request: IdempotentRequest) -> Reply | None:
        """Return the stored reply, or register a request whose reply is to come.

        Raises
        ------
        Problem
            422 if the key came with another body, 409 if its reply is still to come.
        """
        stored = self._stored.get(request.name)
        if stored is None:
            self._stored[request.name] = request.body, None
            return None
        body, reply = stored
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
        return reply

    def end(self, request: IdempotentRequest, reply: Reply | None) -> None:
        """Store a reply; forget the request if there is none."""
        if reply is None:
            self._stored.pop(request.name, None)
            return
        self._stored[request.name] = request.body, reply
        self._bytes += len(reply.body)
        while len(self._stored) > _MAX_REPLIES or self._bytes > _MAX_BYTES:
            _, (_, oldest) = self._stored.popitem(last=False)
            self._bytes -= len(oldest.body) if oldest is not None else 0
