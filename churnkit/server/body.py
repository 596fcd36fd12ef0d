"""From the bytes of a request to its customers: size, media type, JSON, shape.

What passes here is JSON of the right outline; whether the customers fit the contract is asked
afterwards. A refusal names the place and the rule, and repeats no value.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from churnkit.contracts.violations import Violation
from churnkit.server.problems import Problem, shape_violation

__all__ = [
    "MAX_REASONS",
    "Body",
    "ExplainBody",
    "PredictBody",
    "RecommendBody",
    "decode",
    "read_body",
    "refuse_repeated_keys",
]

MAX_REASONS: Final = 20
# What is read beyond the limit and thrown away, so that a client that sends first and reads
# afterwards still gets its answer instead of a broken connection.
_DRAINED_LIMITS = 4
_POSITIONS_SHOWN = 5
_PLACE = re.compile(r" - at `\$(?:\.(?P<field>\w+))?(?:\[(?P<row>\d+)\])?(?:\[\.\.\.\])?[^`]*`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class PredictBody(Struct, forbid_unknown_fields=True):
    """The body of ``/v1/predict``."""

    customers: list[dict[str, Any]]

    @property
    def fields_given(self) -> int:
        """How many keys the outermost object has."""
        return 1


class ExplainBody(Struct, forbid_unknown_fields=True):
    """The body of ``/v1/explain``."""

    customers: list[dict[str, Any]]
    # JSON knows no whole numbers: 3.0 is 3, as the published schema has it.
    top: Annotated[float, Meta(ge=1, le=MAX_REASONS, multiple_of=1)] | UnsetType = UNSET

    @property
    def fields_given(self) -> int:
        """How many keys the outermost object has."""
        return 1 + (self.top is not UNSET)


class RecommendBody(Struct, forbid_unknown_fields=True):
    """The body of ``/v1/recommend``."""

    customers: list[dict[str, Any]]
    budget: Annotated[float, Meta(ge=0)] | UnsetType | None = UNSET

    @property
    def fields_given(self) -> int:
        """How many keys the outermost object has."""
        return 1 + (self.budget is not UNSET)


Body = PredictBody | ExplainBody | RecommendBody
AnyBody = TypeVar("AnyBody", PredictBody, ExplainBody, RecommendBody)


async def read_body(scope: Mapping[str, Any], receive: Receive, *, limit: int) -> bytes | None:
    """Read a request's body.

    Parameters
    ----------
    scope, receive
        Of the ASGI request.
    limit
        The most bytes that are taken.

    Returns
    -------
    The body, or None if the client went away before it was complete.

    Raises
    ------
    Problem
        415 if it is not sent as plain ``application/json``, 413 if it is too large, whether
        its length was declared or not.
    """
    headers = {name: value for name, value in scope["headers"] if name in _HEADERS_READ}
    _check_media(headers)
    declared = headers.get(b"content-length", b"0")
    too_large = declared.isdigit() and int(declared) > limit
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        too_large = too_large or size > limit
        if too_large:
            chunks.clear()
        else:
            chunks.append(chunk)
        if not message.get("more_body", False) or size > limit * _DRAINED_LIMITS:
            break
    if too_large:
        raise Problem(
            413,
            "too-large",
            f"the body has more than {limit:,} bytes: send fewer customers a request, or score "
            "them with churnkit score",
            headers={"connection": "close"},
        )
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


_HEADERS_READ = (b"content-type", b"content-encoding", b"content-length")


def _check_media(headers: Mapping[bytes, bytes]) -> None:
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if media != b"application/json" or coding != b"identity":
        raise Problem(
            415,
            "media-type",
            "send the body as plain JSON with the header content-type: application/json",
        )


def decode(decoder: msgspec.json.Decoder[AnyBody], body: bytes, *, max_rows: int) -> AnyBody:
    """Decode a body and check its outline.

    Raises
    ------
    Problem
        400 if it is not JSON, 422 if it is JSON of another shape, or holds no customers or
        too many.

    Examples
    --------
    >>> decoder = msgspec.json.Decoder(PredictBody)
    >>> decode(decoder, b'{"customers": [{"id": 1}]}', max_rows=10).customers
    [{'id': 1}]
    """
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refuse_shape(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(
            400, "not-json", "the body is not JSON in UTF-8; NaN and Infinity are not JSON"
        ) from None
    except RecursionError:
        raise Problem(400, "not-json", "the body is nested too deeply") from None
    rows = len(decoded.customers)
    if not rows:
        raise _refuse("customers", "empty", "send at least one customer")
    if rows > max_rows:
        mend = f"send at most {max_rows:,} customers a request"
        raise _refuse("customers", f"max_rows({max_rows})", mend, count=rows)
    return decoded


def _refuse_shape(message: str) -> Problem:
    """Turn msgspec's message, which names places and types but no value, into a problem."""
    unknown = _UNKNOWN.match(message)
    if unknown:
        return _refuse(unknown[1], "unknown_field", "leave it out: this path does not know it")
    place = _PLACE.search(message)
    said = message[: place.start()] if place else message
    field = (place["field"] if place else "") or ""
    positions = [int(place["row"])] if place and place["row"] else []
    rule = "finite" if "out of range" in said else "shape"
    mend = "send a number within the range of doubles" if rule == "finite" else said.lower()
    return _refuse(field, rule, mend, positions=positions)


def _refuse(
    column: str, rule: str, mend: str, *, count: int = 1, positions: Sequence[int] = ()
) -> Problem:
    violation = shape_violation(column, rule, mend, count=count, positions=positions)
    return Problem(422, "shape", "the body has not the shape of this path", violations=[violation])


def refuse_repeated_keys(body: bytes, decoded: Body) -> None:
    """Refuse a body in which an object names a key twice: readers differ in which one counts.

    Each key has a colon of its own. So as many colons as decoded keys prove that none is
    repeated; where there are more, some in text perhaps, the body is read again pair by pair.

    Parameters
    ----------
    body
        As it was sent.
    decoded
        As it was decoded; no value in it is an object or an array.

    Raises
    ------
    Problem
        422, with the repeated columns and their rows.

    Examples
    --------
    >>> refuse_repeated_keys(b'{"customers": [{"id": "a:b"}]}', PredictBody([{"id": "a:b"}]))
    """
    keys = decoded.fields_given + sum(map(len, decoded.customers))
    if body.count(b":") <= keys:
        return
    violations = [violation.to_dict() for violation in _repeated(body)]
    if violations:
        detail = "an object of the body names a key twice"
        raise Problem(422, "repeated-key", detail, violations=violations)


def _repeated(body: bytes) -> list[Violation]:
    found: dict[str, list[int]] = defaultdict(list)
    objects = 0

    def look(pairs: list[tuple[str, Any]]) -> None:
        nonlocal objects
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                found[key].append(objects)
            seen.add(key)
        objects += 1

    json.loads(body, object_pairs_hook=look)
    # The outermost object is complete after all its customers, and is no row.
    return [
        Violation(
            key[:80],
            "duplicate_column",
            len(rows),
            tuple(row for row in rows if row < objects - 1)[:_POSITIONS_SHOWN],
        )
        for key, rows in found.items()
    ]
