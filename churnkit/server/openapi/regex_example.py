"""Example texts for regular expressions of ids and codes.

Reads literals, classes, groups, repeats and alternatives, and takes the first choice everywhere.
The result is a guess, which the caller checks against the pattern.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["example_text"]

_CLASSES: Final = {"d": "1", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "t": "\t"}
_ZERO_WIDTH: Final = frozenset("AbBZ")
_CLASS = re.compile(r"\[(?P<not>\^)?(?P<items>\]?(?:\\.|[^\]\\])*)\]", re.DOTALL)
_REPEAT = re.compile(r"\{(?P<low>\d*),?\d*\}")
_GROUP = re.compile(r"\((?:\?(?::|P<\w+>))?")
_MAX_REPEATS = 1_000


def example_text(pattern: str) -> str:
    r"""Return a text that the pattern probably matches from its start.

    Examples
    --------
    >>> example_text(r"^C\d{7}$"), example_text(r"(EU|US)-[A-F0-9]{4}(\.x)?")
    ('C1111111', 'EU-AAAA')
    """
    text, _ = _alternatives(pattern, 0)
    return text


def _alternatives(pattern: str, at: int) -> tuple[str, int]:
    """Read up to the end of a group; return the first alternative."""
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
    class_ = _CLASS.match(pattern, at)
    if class_:
        return _class_member(class_), class_.end()
    group = _GROUP.match(pattern, at)
    if group:
        text, end = _alternatives(pattern, group.end())
        return text, end + 1
    character = pattern[at]
    if character == "\\":
        escaped = pattern[at + 1 : at + 2]
        return ("" if escaped in _ZERO_WIDTH else _CLASSES.get(escaped, escaped)), at + 2
    if character in "^$":
        return "", at + 1
    return ("a" if character == "." else character), at + 1


def _class_member(match: re.Match[str]) -> str:
    items = match["items"]
    if not match["not"]:
        return _CLASSES.get(items[1:2], items[1:2]) if items[:1] == "\\" else items[:1]
    excluded = re.compile(match[0])
    return next((candidate for candidate in "a1A-_ " if excluded.match(candidate)), "")


def _times(pattern: str, at: int) -> tuple[int, int]:
    """Read a quantifier: its least number of repeats, and where it ends."""
    counted = _REPEAT.match(pattern, at)
    if counted:
        times, at = min(int(counted["low"] or 0), _MAX_REPEATS), counted.end()
    elif pattern[at : at + 1] in {"*", "?"}:
        times, at = 0, at + 1
    else:
        times, at = 1, at + (pattern[at : at + 1] == "+")
    # A lazy or possessive suffix changes nothing here.
    lazy = counted is not None or pattern[at - 1 : at] in {"*", "?", "+"}
    return times, at + (lazy and pattern[at : at + 1] in {"?", "+"})
