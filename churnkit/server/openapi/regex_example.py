"""A text for a regular expression, as far as ids and codes go.

It reads literals, classes, groups, repeats and alternatives, and takes the first choice
everywhere. What it gives is a guess: the caller tries it against the pattern itself.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["text_for"]

_CLASSES: Final = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "t": "\t"}
_NOTHING: Final = frozenset("AbBZ")
_CLASS = re.compile(r"\[(?P<not>\^)?(?P<items>\]?(?:\\.|[^\]\\])*)\]", re.DOTALL)
_REPEAT = re.compile(r"\{(?P<low>\d*),?\d*\}")
_GROUP = re.compile(r"\((?:\?(?::|P<\w+>))?")
_MOST = 1_000


def text_for(pattern: str) -> str:
    r"""Guess a text that the pattern matches from its beginning.

    Examples
    --------
    >>> text_for(r"^C\d{7}$"), text_for(r"(EU|US)-[A-F0-9]{4}(\.x)?")
    ('C1111111', 'EU-AAAA')
    """
    text, _ = _alternatives(pattern, 0)
    return text


def _alternatives(pattern: str, at: int) -> tuple[str, int]:
    """Read up to the end of a group; the first alternative counts."""
    first: str | None = None
    text = ""
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            first = text if first is None else first
            text, at = "", at + 1
            continue
        piece, at = _piece(pattern, at)
        times, at = _times(pattern, at)
        text += piece * times
    return (text if first is None else first), at


def _piece(pattern: str, at: int) -> tuple[str, int]:
    found = _CLASS.match(pattern, at)
    if found:
        return _of_class(found), found.end()
    group = _GROUP.match(pattern, at)
    if group:
        text, end = _alternatives(pattern, group.end())
        return text, end + 1
    sign = pattern[at]
    if sign == "\\":
        escaped = pattern[at + 1 : at + 2]
        return ("" if escaped in _NOTHING else _CLASSES.get(escaped, escaped)), at + 2
    if sign in "^$":
        return "", at + 1
    return ("a" if sign == "." else sign), at + 1


def _of_class(found: re.Match[str]) -> str:
    items = found["items"]
    if not found["not"]:
        return _CLASSES.get(items[1:2], items[1:2]) if items[:1] == "\\" else items[:1]
    refused = re.compile(found[0])
    return next((sign for sign in "a1A-_ " if refused.match(sign)), "")


def _times(pattern: str, at: int) -> tuple[int, int]:
    """Read how often a piece stands, at least; a plus is once, a star and a question mark never."""
    counted = _REPEAT.match(pattern, at)
    if counted:
        times, at = min(int(counted["low"] or 0), _MOST), counted.end()
    elif pattern[at : at + 1] in {"*", "?"}:
        times, at = 0, at + 1
    else:
        times, at = 1, at + (pattern[at : at + 1] == "+")
    # A lazy or possessive sign behind a repeat changes nothing here.
    lazy = counted is not None or pattern[at - 1 : at] in {"*", "?", "+"}
    return times, at + (lazy and pattern[at : at + 1] in {"?", "+"})
