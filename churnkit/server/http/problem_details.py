"""What the endpoint says when it refuses: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PROBLEM_TYPE", "Problem", "shape_violation"]

PROBLEM_TYPE: Final = "application/problem+json"
_SHOWN_NAME = 80

_TITLES = {
    400: "The body is not JSON",
    401: "This service asks for a key",
    403: "This is not allowed to you",
    404: "There is nothing at this path",
    405: "This path does not take that method",
    408: "The body came too slowly",
    409: "This does not go with what was asked before",
    413: "The body is too large",
    415: "The body is of a type that is not read",
    422: "The body does not fit the contract",
    429: "There were too many requests",
    500: "The service is at fault",
    503: "The service cannot answer now",
}


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """A refusal that the client can read and mend; it holds no customer's value.

    Parameters
    ----------
    status
        The HTTP status.
    kind
        The last part of the problem's ``type``, such as ``"contract"``.
    detail
        What was wrong and what to do, in one sentence.
    violations
        Records with ``column``, ``rule``, ``count``, ``positions`` and ``mend``.
    headers
        Further headers of the answer.

    Examples
    --------
    >>> Problem(413, "too-large", "send at most 10 bytes").to_dict()["title"]
    'The body is too large'
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        violations: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.violations = [dict(violation) for violation in violations]
        self.headers = dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as JSON-able data."""
        return {
            "type": f"urn:churnkit:problem:{self.kind}",
            "title": _TITLES[self.status],
            "status": self.status,
            "detail": self.detail,
            "violations": self.violations,
        }

    def to_json(self) -> bytes:
        """Return the problem as the body of an answer."""
        return msgspec.json.encode(self.to_dict())


def shape_violation(
    column: str, rule: str, remedy: str, *, count: int = 1, positions: Sequence[int] = ()
) -> dict[str, Any]:
    """Describe a broken rule of the body itself, in the form of a contract's violation.

    Examples
    --------
    >>> shape_violation("top", "type", "send a whole number")["rule"]
    'type'
    """
    return {
        "column": column[:_SHOWN_NAME],
        "rule": rule,
        "count": count,
        "positions": list(positions),
        "remedy": remedy,
    }
