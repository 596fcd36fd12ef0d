"""Refusals as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PROBLEM_TYPE", "Problem", "shape_problem"]

PROBLEM_TYPE: Final = "application/problem+json"
_SHOWN_NAME = 80
# RFC 9110's names, where those of the oldest Python differ.
_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}


class Problem(Exception):  # noqa: N818 - the RFC's term
    """A refusal with what is wrong and what to do; it holds no customer's value.

    Parameters
    ----------
    status
        The HTTP status.
    kind
        The last part of the problem's ``type``, such as ``"contract"``.
    detail
        What is wrong and what to do, in one sentence.
    violations
        Records with ``column``, ``rule``, ``count``, ``positions`` and ``remedy``.
    headers
        Further headers of the reply.

    Examples
    --------
    >>> Problem(413, "too-large", "send at most 10 bytes").to_dict()["title"]
    'Content Too Large'
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
        self.violations: list[dict[str, Any]] = [dict(violation) for violation in violations]
        self.headers: dict[str, str] = dict(headers or {})

    def to_dict(self) -> dict[str, Any]:
        """Return the problem as JSON-able data."""
        return {
            "type": f"urn:churnkit:problem:{self.kind}",
            "title": _TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "violations": self.violations,
        }

    def to_json(self) -> bytes:
        """Return the problem as the body of a reply."""
        return msgspec.json.encode(self.to_dict())


def shape_problem(
    column: str, rule: str, remedy: str, *, count: int = 1, positions: Sequence[int] = ()
) -> Problem:
    """Return the refusal of a body that has another shape than its path takes.

    Examples
    --------
    >>> shape_problem("top", "type", "send a whole number").violations[0]["rule"]
    'type'
    """
    violation = {
        "column": column[:_SHOWN_NAME],
        "rule": rule,
        "count": count,
        "positions": list(positions),
        "remedy": remedy,
    }
    detail = "the body does not have the shape that this path takes"
    return Problem(422, "shape", detail, violations=[violation])
