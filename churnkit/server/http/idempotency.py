"""The same request sent twice is decided once: ``Idempotency-Key``."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    from churnkit.server.http.endpoint import Reply, Request

__all__ = ["Repeats", "repeat_of"]

_KEY: Final = re.compile(rb"[\x21-\x7e]{1,200}")
_MOST_KEPT: Final = 10_000
_MOST_BYTES: Final = 64_000_000


@dataclass(frozen=True, slots=True)
class Repeat:
    """A request that names itself.

    Parameters
    ----------
    name
        Of the client and its key together.
    body
        The digest of the body.
    """

    name: bytes
    body: bytes

    @property
    def ids(self) -> str:
        """The id of its answer: the same in every worker, and after a restart."""
        return self.name.hex()[:24]


def repeat_of(request: Request, client: str, raw: bytes) -> Repeat | None:
    """Return what a request calls itself; None if it has no name.

    Raises
    ------
    Problem
        400 if the name is no visible text of at most 200 characters.
    """
    key = request.headers.get(b"idempotency-key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise Problem(
            400, "idempotency-key", "give an idempotency-key of 1 to 200 visible characters"
        )
    name = hashlib.sha256(client.encode() + b"\0" + key).digest()
    return Repeat(name, hashlib.sha256(raw).digest())


class Repeats:
    """The answers of this worker that may be asked for again.

    They are kept in memory, the newest ten thousand of them. The ids of decisions come from the
    key, so that even where an answer is forgotten, the journal takes the decision once.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[bytes, Reply | None]] = OrderedDict()
        self._bytes = 0

    def begin(self, repeat: Repeat) -> Reply | None:
        """Return the answer that was given before, or take note that one is on its way.

        Raises
        ------
        Problem
            422 if the key came with another body, 409 if its answer is still on its way.
        """
        found = self._kept.get(repeat.name)
        if found is None:
            self._kept[repeat.name] = repeat.body, None
            return None
        body, reply = found
        if body != repeat.body:
            raise Problem(
                422,
                "idempotency-key",
                "this idempotency-key came with another body before: give each request its own",
            )
        if reply is None:
            raise Problem(
                409,
                "under-way",
                "the first request with this idempotency-key is not answered yet: wait",
                headers={"retry-after": "1"},
            )
        return reply

    def end(self, repeat: Repeat, reply: Reply | None) -> None:
        """Keep an answer; or, where there is none, forget that it was asked for."""
        if reply is None:
            self._kept.pop(repeat.name, None)
            return
        self._kept[repeat.name] = repeat.body, reply
        self._bytes += len(reply.body)
        while len(self._kept) > _MOST_KEPT or self._bytes > _MOST_BYTES:
            _, (_, old) = self._kept.popitem(last=False)
            self._bytes -= len(old.body) if old is not None else 0
