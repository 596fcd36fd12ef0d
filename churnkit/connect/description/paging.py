"""Kinds of paging: how the token of the next page follows from a page.

A token is JSON-able data. Templates of an endpoint contain it as ``{token}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from churnkit.connect.description.row_paths import value_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["LastRow", "NextHeader", "NextLink", "NextToken", "Offset", "Paging", "SinglePage"]


class Paging(Protocol):
    """Kind of paging."""

    @property
    def first(self) -> Any:
        """Token of the first page."""
        ...

    def next(
        self, token: Any, body: Any, headers: Mapping[str, str], rows: Sequence[Any]
    ) -> Any | None:
        """Return the token of the next page; None after the last one."""
        ...


@dataclass(frozen=True, slots=True)
class SinglePage:
    """An endpoint without pages.

    Parameters
    ----------
    first
        Token of the only page.
    """

    first: Any = None

    def next(
        self, token: Any, body: Any, headers: Mapping[str, str], rows: Sequence[Any]
    ) -> Any | None:
        """Return None."""
        del token, body, headers, rows
        return None


@dataclass(frozen=True, slots=True)
class NextToken:
    """The body holds the next token.

    Parameters
    ----------
    path
        Path of the token.
    more, end
        Path of a flag that is true if there is a next page, or false.
    first
        First token.

    Examples
    --------
    >>> NextToken("paging.next.after").next(None, {"paging": {"next": {"after": "7"}}}, {}, [])
    '7'
    """

    path: str
    more: str = ""
    end: str = ""
    first: Any = None

    def next(
        self, token: Any, body: Any, headers: Mapping[str, str], rows: Sequence[Any]
    ) -> Any | None:
        """Return the token of the next page; None after the last one."""
        del headers, rows
        if (self.more and not value_at(body, self.more)) or (self.end and value_at(body, self.end)):
            return None
        following = value_at(body, self.path)
        # A server that repeats a token would be read forever.
        return None if following in {None, "", token} else following


@dataclass(frozen=True, slots=True)
class LastRow:
    """The next page begins after the last row's key: no page is ever far from the first.

    Parameters
    ----------
    key
        Path of the key in a row.
    more
        Path of a flag that is true if there is a next page; without one, an empty page ends.
    first
        First token.

    Examples
    --------
    >>> LastRow("id").next(None, {}, {}, [{"id": "3"}, {"id": "4"}])
    '4'
    """

    key: str
    more: str = ""
    first: Any = None

    def next(
        self, token: Any, body: Any, headers: Mapping[str, str], rows: Sequence[Any]
    ) -> Any | None:
        """Return the token of the next page; None after the last one."""
        del headers
        if not rows or (self.more and not value_at(body, self.more)):
            return None
        following = value_at(rows[-1], self.key)
        return None if following == token else following


@dataclass(frozen=True, slots=True)
class NextLink:
    """The body holds the URL of the next page, which is requested as it is.

    Parameters
    ----------
    path
        Path of the URL.
    more, end
        Path of a flag that is true if there is a next page, or false.
    first
        First token.
    """

    path: str
    more: str = ""
    end: str = ""
    first: Any = None

    def next(
        self, token: Any, body: Any, headers: Mapping[str, str], rows: Sequence[Any]
    ) -> Any | None:
        """Return the URL of the next page; None after the last one."""
        del headers, rows
        if (self.more and not value_at(body, self.more)) or (self.end and value_at(body, self.end)):
            return None
        link = value_at(body, self.path)
        return None if link in {None, "", token} else link


@dataclass(frozen=True, slots=True)
class NextHeader:
    """A header holds the next token.

    Parameters
    ----------
    name
        Name of the header.
    end
        Its value on the last page.
    first
        First token.
    """

    name: str
    end: str = "null"
    first: Any = None

    def next(
        self, token: Any, body: Any, headers: Mapping[str, str], rows: Sequence[Any]
    ) -> Any | None:
        """Return the token of the next page; None after the last one."""
        del body, rows
        following = headers.get(self.name.lower())
        return None if following in {None, "", self.end, token} else following


@dataclass(frozen=True, slots=True)
class Offset:
    """Pages by number or by offset.

    Parameters
    ----------
    step
        Added to the token for each page.
    size
        Rows of a full page; a shorter page is the last one.
    first
        First token.

    Examples
    --------
    >>> Offset(size=2, first=1).next(1, {}, {}, [{}, {}])
    2
    """

    step: int = 1
    size: int = 100
    first: Any = 0

    def next(
        self, token: Any, body: Any, headers: Mapping[str, str], rows: Sequence[Any]
    ) -> Any | None:
        """Return the token of the next page; None after the last one."""
        del body, headers
        return None if len(rows) < self.size else (token or 0) + self.step
