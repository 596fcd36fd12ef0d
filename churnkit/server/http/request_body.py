"""From the bytes of a request to its customers: size, media type, JSON, shape.

What passes here is JSON of the right outline; whether the customers fit the contract is asked
afterwards. A refusal names the place and the rule, and repeats no value.
"""

from __future__ import annotations

import json
import re
from asyncio import CancelledError
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from churnkit.contracts.validation.violations import Violation
from churnkit.server.http.problem_details import Problem, shape_violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.server.http.body_timeout import BodyTimeout
    from churnkit.server.http.endpoint import Message, Request

__all__ = [
    "MAX_REASONS",
    "Body",
    "ExplainBody",
    "PredictBody",
    "RecommendBody",
    "decode",
    "read_body",
    "read_json",
    "refuse_media",
    "refuse_repeated_keys",
]

MAX_REASONS: Final = 20
# What is read beyond the limit and thrown away, so that a client that sends first and reads
# afterwards still gets its answer instead of a broken connection.
_DRAINED_LIMITS = 4
_POSITIONS_SHOWN = 5
_PLACE = re.compile(r" - at `\$(?:\.(?P<field>\w+))?(?:\[(?P<row>\d+)\])?(?:\[\.\.\.\])?[^`]*`$")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)


class PredictBody(Struct, forbid_unknown_fields=True):
    """The body of ``/v1/predict``, and what all questions share."""

    customers: list[dict[str, Any]]
    partial: bool | UnsetType = UNSET

    @property
    def fields_given(self) -> int:
        """How many keys the outermost object has."""
        return 1 + (self.partial is not UNSET)

    @property
    def reports(self) -> bool:
        """Whether rows that break a rule are reported in place, and the others answered."""
        return self.partial is True


class ExplainBody(PredictBody):
    """The body of ``/v1/explain``."""

    # JSON knows no whole numbers: 3.0 is 3, as the published schema has it.
    top: Annotated[float, Meta(ge=1, le=MAX_REASONS, multiple_of=1)] | UnsetType = UNSET

    @property
    def fields_given(self) -> int:
        """How many keys the outermost object has."""
        return 1 + (self.partial is not UNSET) + (self.top is not UNSET)


class RecommendBody(PredictBody):
    """The body of ``/v1/recommend``."""

    budget: Annotated[float, Meta(ge=0)] | UnsetType | None = UNSET

    @property
    def fields_given(self) -> int:
        """How many keys the outermost object has."""
        return 1 + (self.partial is not UNSET) + (self.budget is not UNSET)


Body = PredictBody | ExplainBody | RecommendBody
T = TypeVar("T")
AnyBody = TypeVar("AnyBody", bound=PredictBody)


async def read_body(request: Request, *, limit: int, patience: BodyTimeout) -> bytes | None:
    """Read a request's body.

    Parameters
    ----------
    request
        Whose media type has been looked at.
    limit
        The most bytes that are taken.
    patience
        How long the client may take to send them.

    Returns
    -------
    The body, or None if the client went away before it was complete.

    Raises
    ------
    Problem
        413 if it is too large, whether its length was declared or not; 408 if it comes too
        slowly.
    """
    task = patience.begin()
    try:
        message = await request.receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False) or len(body) > limit or not body:
            return await _read_on(request, message, limit)
    except CancelledError:
        if not patience.is_over(task):
            raise
        raise Problem(
            408,
            "slow",
            f"the body did not come within {patience.seconds:g} seconds: send it at once",
            headers={"connection": "close"},
        ) from None
    finally:
        patience.end(task)
    return body


async def _read_on(request: Request, message: Message, limit: int) -> bytes | None:
    """Read a body that comes in pieces, or is none."""
    declared = request.headers.get(b"content-length", b"0")
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
        message = await request.receive()
    else:
        return None
    if too_large:
        raise Problem(
            413,
            "too-large",
            f"the body has more than {limit:,} bytes: send fewer customers a request, or score "
            "them with churnkit score",
            headers={"connection": "close"},
        )
    return b"".join(chunks)


def refuse_media(request: Request, *media: bytes) -> bytes:
    """Return the media type of a request's body; refuse what is none of those that are read.

    Raises
    ------
    Problem
        415, also for a compressed body: a small one may unfold to any size.
    """
    headers = request.headers
    said = headers.get(b"content-type", b"")
    if said in media and b"content-encoding" not in headers:
        return said
    found = said.partition(b";")[0].strip().lower()
    coding = headers.get(b"content-encoding", b"identity").strip().lower()
    if found not in media or coding != b"identity":
        raise Problem(
            415,
            "media-type",
            "send the body uncompressed, with the header content-type: "
            + " or ".join(name.decode() for name in media),
        )
    return found


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
    decoded = read_json(decoder, body)
    rows = len(decoded.customers)
    if not rows:
        raise _refuse("customers", "empty", "send at least one customer")
    if rows > max_rows:
        remedy = f"send at most {max_rows:,} customers a request"
        raise _refuse("customers", f"max_rows({max_rows})", remedy, count=rows)
    return decoded


def read_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body.

    Raises
    ------
    Problem
        400 if it is not JSON, 422 if it is JSON of another shape.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _refuse_shape(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Problem(
            400, "not-json", "the body is not JSON in UTF-8; NaN and Infinity are not JSON"
        ) from None
    except RecursionError:
        raise Problem(400, "not-json", "the body is nested too deeply") from None


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
    remedy = "send a number within the range of doubles" if rule == "finite" else said.lower()
    return _refuse(field, rule, remedy, positions=positions)


def _refuse(
    column: str, rule: str, remedy: str, *, count: int = 1, positions: Sequence[int] = ()
) -> Problem:
    violation = shape_violation(column, rule, remedy, count=count, positions=positions)
    return Problem(422, "shape", "the body has not the shape of this path", violations=[violation])


def refuse_repeated_keys(body: bytes, decoded: Body) -> None:
    """Refuse a body in which an object names a key twice: readers differ in which one counts.

    Each key has a colon of its own. So as many colons as decoded keys prove that none is
    repeated, and where nothing is escaped those in decoded text may be taken off first. Else the
    body is read again pair by pair.

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
    colons = body.count(b":")
    if colons > keys and b"\\" not in body:
        colons -= sum(map(_colons, decoded.customers))
    if colons <= keys:
        return
    violations = [violation.to_dict() for violation in _repeated(body)]
    if violations:
        detail = "an object of the body names a key twice"
        raise Problem(422, "repeated-key", detail, violations=violations)


def _colons(customer: dict[str, Any]) -> int:
    """Count the colons in a customer's keys and texts."""
    texts = [value for value in customer.values() if value.__class__ is str]
    return "".join(customer).count(":") + "".join(texts).count(":")


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
