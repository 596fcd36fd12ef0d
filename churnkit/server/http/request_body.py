"""Request bodies off the fast path: chunks, media types, and refusals of malformed JSON.

Refusals name the place and the rule, and repeat no value.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from churnkit.contracts.validation.violations import Violation
from churnkit.server.http.problem_details import Problem, shape_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence

__all__ = ["JSON", "check_media_type", "json_problem", "read_chunks", "refuse_repeated_keys"]

JSON: Final = b"application/json"
# Bytes beyond the limit that are read and dropped, so that a client which sends everything before
# it reads still gets its reply.
_DRAINED_LIMITS = 4
_POSITIONS_SHOWN = 5
_PLACE = re.compile(r" - at `\$(?:\.(?P<field>\w+))?(?:\[(?P<row>\d+)\])?(?:\[\.\.\.\])?[^`]*`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


async def read_chunks(
    headers: Mapping[bytes, bytes],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    message: MutableMapping[str, Any],
    limit: int,
) -> bytes | None:
    """Read the rest of a body after its first message; None if the client disconnects.

    Raises
    ------
    Problem
        413 if the body is larger than `limit` bytes, declared or not.
    """
    declared = headers.get(b"content-length", b"0")
    too_large = declared.isdigit() and int(declared) > limit
    chunks: list[bytes] = []
    size = 0
    while message["type"] != "http.disconnect":
        chunk = message.get("body", b"")
        size += len(chunk)
        too_large = too_large or size > limit
        if too_large:
            chunks.clear()
        else:
            chunks.append(chunk)
        if not message.get("more_body", False) or size > limit * _DRAINED_LIMITS:
            break
        message = await receive()
    else:
        return None
    if too_large:
        raise Problem(
            413,
            "too-large",
            f"the body has more than {limit:,} bytes: send fewer customers per request, or use "
            "churnkit score",
            headers={"connection": "close"},
        )
    return b"".join(chunks)


def check_media_type(headers: Mapping[bytes, bytes], *accepted: bytes) -> bytes:
    """Return the normalized media type of a body.

    Raises
    ------
    Problem
        415 if it is none of those accepted, or the body is compressed: a small one may expand
        to any size.
    """
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if media not in accepted or coding != b"identity":
        types = " or ".join(name.decode() for name in accepted)
        detail = f"send the body uncompressed, with the header content-type: {types}"
        raise Problem(415, "media-type", detail)
    return media


def json_problem(error: Exception) -> Problem:
    """Return the refusal of a body that msgspec cannot decode.

    msgspec's messages name places and types, never a value.
    """
    if isinstance(error, RecursionError):
        return Problem(400, "not-json", "the body is nested too deeply")
    if not isinstance(error, msgspec.ValidationError):
        detail = "the body is not JSON in UTF-8; NaN and Infinity are not JSON"
        return Problem(400, "not-json", detail)
    message = str(error)
    unknown = _UNKNOWN.match(message)
    if unknown:
        return shape_problem(
            unknown[1], "unknown_field", "leave it out: this path does not read it"
        )
    place = _PLACE.search(message)
    text = message[: place.start()] if place else message
    field = (place["field"] if place else "") or ""
    positions = [int(place["row"])] if place and place["row"] else []
    if "out of range" in text:
        remedy = "send a number within the range of doubles"
        return shape_problem(field, "finite", remedy, positions=positions)
    return shape_problem(field, "shape", text.lower(), positions=positions)


def refuse_repeated_keys(body: bytes, customers: Sequence[Mapping[str, Any]], keys: int) -> None:
    """Refuse a body in which an object names a key twice: readers differ in which one counts.

    Each key has a colon, so that a body with no more colons than keys has no repeated key. Without escapes, the colons in texts can be subtracted; otherwise the body is read again.

    Parameters
    ----------
    body
        As it was sent.
    customers
        As they were decoded.
    keys
        Number of keys that were decoded.

    Raises
    ------
    Problem
        422, with the repeated columns and their rows.

    Examples
    --------
    >>> refuse_repeated_keys(b'{"customers": [{"id": "a:b"}]}', [{"id": "a:b"}], keys=2)
    """
    colons = body.count(b":")
    if b"\\" not in body:
        colons -= sum(map(_colons, customers))
    if colons <= keys:
        return
    violations = [violation.to_dict() for violation in _repeated_keys(body)]
    if violations:
        detail = "an object of the body names a key twice"
        raise Problem(422, "repeated-key", detail, violations=violations)


def _colons(customer: Mapping[str, Any]) -> int:
    """Count the colons in a customer's keys and texts."""
    texts = [value for value in customer.values() if value.__class__ is str]
    return "".join(customer).count(":") + "".join(texts).count(":")


def _repeated_keys(body: bytes) -> list[Violation]:
    rows_by_key: dict[str, list[int]] = defaultdict(list)
    objects = 0

    def record(pairs: list[tuple[str, Any]]) -> None:
        nonlocal objects
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                rows_by_key[key].append(objects)
            seen.add(key)
        objects += 1

    json.loads(body, object_pairs_hook=record)
    # The outermost object is complete after all its customers, and is no row.
    return [
        Violation(
            key[:80],
            "duplicate_column",
            len(rows),
            tuple(row for row in rows if row < objects - 1)[:_POSITIONS_SHOWN],
        )
        for key, rows in rows_by_key.items()
    ]
