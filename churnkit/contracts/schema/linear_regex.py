r"""Regular expressions matched in time linear in the text.

Python's `re` backtracks: ``(a+)+$`` takes 2**n steps on n letters "a", and a pattern that arrives
with a model meets text that arrives from clients. Here a pattern is parsed by Python's own parser,
and its automaton follows all alternatives at once (Thompson, 1968, DOI 10.1145/363347.363387). The
verdict is that of ``re.match``, which is used itself where a pattern gives it few ways to go, as
``C[0-9]{7}$`` does. A single character is tested by `re` itself, so that classes,
escapes and ``(?i:...)`` mean the same. Of the other patterns those that are not regular are
refused: with references to groups, lookahead, lookbehind or atomic groups.

The library google-re2 has the same guarantee, but other meanings of ``\d``, ``\w`` and ``$``, so
that one schema would have two verdicts, and it adds a compiled dependency to the core.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import import_module
from typing import Any, Final, NamedTuple

__all__ = ["MAX_TEXT", "LinearRegex", "PatternError", "compile_regex"]

MAX_TEXT: Final = 1_000
"""The most characters of a text that a pattern can match."""
_MAX_STATES: Final = 2_000
_MAX_DEPTH: Final = 50
_MAX_STEPS_KEPT: Final = 10_000
# With at most so many ways through a pattern, backtracking is fast, and faster than an automaton.
_MAX_PATHS: Final = 10_000
_NO_REPEAT: Final = 2**31

# The parser and compiler behind `re.compile`, as `re` itself uses them.
_parser: Any = import_module("re._parser")
_compiler: Any = import_module("re._compiler")
_WORD = re.compile(r"\w")
_TYPE_FLAGS: Final = int(re.ASCII | re.UNICODE)
_EMPTY_IS_NON_BOUNDARY: Final = re.match(r"\B", "") is not None


class PatternError(ValueError):
    """A pattern that cannot be matched in linear time."""


class _State(NamedTuple):
    """A state: it reads a character, or continues without one."""

    reads: re.Pattern[str] | None
    condition: str
    following: tuple[int, ...]


class _Context(NamedTuple):
    """What the conditions of a position depend on; `after` is empty at the end of the text."""

    is_start: bool
    follows_word: bool
    after: str
    is_last: bool

    def holds(self, condition: str) -> bool:
        if condition in {"AT_BEGINNING", "AT_BEGINNING_STRING"}:
            return self.is_start
        if condition == "AT_END_STRING":
            return not self.after
        if condition == "AT_END":
            return not self.after or (self.is_last and self.after == "\n")
        if self.is_start and not self.after:  # where versions of Python differ
            return condition == "AT_NON_BOUNDARY" and _EMPTY_IS_NON_BOUNDARY
        precedes_word = bool(self.after) and _WORD.match(self.after) is not None
        return (self.follows_word != precedes_word) == (condition == "AT_BOUNDARY")


class LinearRegex:
    r"""A regular expression that is matched in linear time.

    Parameters
    ----------
    pattern
        In Python's syntax.

    Raises
    ------
    PatternError
        If the pattern may take long and is not regular, or has more than 2,000 states once its
        counted repeats are written out.

    Examples
    --------
    >>> LinearRegex(r"C\d{3}$").matches("C123"), LinearRegex("(a+)+$").matches("a" * 999 + "b")
    (True, False)
    """

    def __init__(self, pattern: str) -> None:
        tree = _parser.parse(pattern)
        if _size(tree, 0) > _MAX_STATES:
            raise PatternError(f"it has more than {_MAX_STATES:,} states")
        self._plain = re.compile(pattern) if _paths(tree) <= _MAX_PATHS else None
        self._states: list[_State] = []
        self._steps: dict[tuple[Any, str, bool], Any] = {}
        if self._plain is None:
            self._end = self._add(None, "", ())
            self._start = self._sequence(list(tree), tree.state.flags, self._end)

    def matches(self, text: str) -> bool:
        """Return whether the pattern matches from the start of a text of at most `MAX_TEXT`."""
        if len(text) > MAX_TEXT:
            return False
        if self._plain is not None:
            return self._plain.match(text) is not None
        steps, last = self._steps, len(text) - 1
        position: Any = (frozenset((self._start,)), True, False)
        for index, character in enumerate(text):
            key = (position, character, index == last)
            following = steps.get(key)
            if following is None:
                if len(steps) >= _MAX_STEPS_KEPT:
                    steps.clear()
                following = steps[key] = self._step(position, character, is_last=index == last)
            if following is True or following is False:
                return bool(following)
            position = following
        states, is_start, follows_word = position
        return self._end in self._closure(states, _Context(is_start, follows_word, "", False))

    def _step(self, position: Any, character: str, *, is_last: bool) -> Any:
        """Return the next position; True once the pattern matched, False if it cannot any more."""
        states, is_start, follows_word = position
        reached = self._closure(states, _Context(is_start, follows_word, character, is_last))
        if self._end in reached:
            return True
        following = {
            state.following[0]
            for state in map(self._states.__getitem__, reached)
            if state.reads is not None and state.reads.match(character)
        }
        is_word = _WORD.match(character) is not None
        return (frozenset(following), False, is_word) if following else False

    def _closure(self, states: frozenset[int], context: _Context) -> set[int]:
        """Return the states that are reached without reading a character."""
        reached: set[int] = set()
        waiting = list(states)
        while waiting:
            number = waiting.pop()
            if number in reached:
                continue
            reached.add(number)
            state = self._states[number]
            if state.reads is None and (not state.condition or context.holds(state.condition)):
                waiting += state.following
        return reached

    def _add(
        self, reads: re.Pattern[str] | None, condition: str, following: tuple[int, ...]
    ) -> int:
        self._states.append(_State(reads, condition, following))
        return len(self._states) - 1

    def _sequence(self, nodes: list[Any], flags: int, following: int) -> int:
        """Add the states of nodes from the last to the first; return where to start."""
        for node in reversed(nodes):
            following = self._node(node, flags, following)
        return following

    def _node(self, node: Any, flags: int, following: int) -> int:
        kind, value = str(node[0]), node[1]
        if kind in _CHARACTERS:
            return self._add(_character(node, flags), "", (following,))
        if kind == "AT":
            return self._add(None, _condition(str(value), flags), (following,))
        if kind == "BRANCH":
            starts = [self._sequence(list(option), flags, following) for option in value[1]]
            return self._add(None, "", tuple(starts))
        if kind == "SUBPATTERN":
            _, added, removed, body = value
            # Either of a and u replaces the other.
            kept = flags & ~_TYPE_FLAGS if added & _TYPE_FLAGS else flags
            return self._sequence(list(body), (kept | added) & ~removed, following)
        if kind not in {"MAX_REPEAT", "MIN_REPEAT"}:
            raise PatternError("it has a reference, a lookahead, a lookbehind or an atomic group")
        low, high, body = value
        return self._repeat(list(body), flags, following, low, int(high))

    def _repeat(self, body: list[Any], flags: int, following: int, low: int, high: int) -> int:
        if high >= _NO_REPEAT:
            loop = self._add(None, "", ())
            entry = self._sequence(body, flags, loop)
            self._states[loop] = _State(None, "", (entry, following))
            start = loop
        else:
            start = following
            for _ in range(high - low):
                start = self._add(None, "", (self._sequence(body, flags, start), following))
        for _ in range(low):
            start = self._sequence(body, flags, start)
        return start


@lru_cache(maxsize=1_000)
def compile_regex(pattern: str) -> LinearRegex:
    """Return the regular expression of a pattern.

    Raises
    ------
    PatternError
        If it cannot be matched in linear time.
    """
    return LinearRegex(pattern)


_CHARACTERS: Final = {"LITERAL", "NOT_LITERAL", "ANY", "IN"}
_REPEATS: Final = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_CONDITIONS: Final = {
    *("AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END", "AT_END_STRING"),
    *("AT_BOUNDARY", "AT_NON_BOUNDARY"),
}


def _bodies(kind: str, value: Any) -> list[Any]:
    """Return the parts of a node that are patterns themselves."""
    if kind == "BRANCH":
        return list(value[1])
    if kind == "GROUPREF_EXISTS":
        return [part for part in value[1:] if part is not None]
    if kind == "ATOMIC_GROUP":
        return [value]
    if kind in {"SUBPATTERN", "ASSERT", "ASSERT_NOT"} or kind in _REPEATS:
        return [value[-1]]
    return []


def _size(nodes: Any, depth: int) -> int:
    """Return an upper bound on the number of states."""
    if depth > _MAX_DEPTH:
        raise PatternError(f"its groups are nested more than {_MAX_DEPTH} deep")
    total = 0
    for operator, value in nodes:
        kind = str(operator)
        inside = sum(_size(body, depth + 1) for body in _bodies(kind, value))
        if kind in _REPEATS:
            low, high = int(value[0]), int(value[1])
            body = max(1, inside)
            inside = low * body + (1 + body) * (1 if high >= _NO_REPEAT else high - low)
        total += inside + (kind != "SUBPATTERN")
    return total


def _paths(nodes: Any) -> int:
    """Return an upper bound on the ways through a pattern, for texts of `MAX_TEXT` characters."""
    total = 1
    for operator, value in nodes:
        kind = str(operator)
        ways = [_paths(body) for body in _bodies(kind, value)]
        inside = sum(ways) if ways else 1
        if kind in _REPEATS:
            times, least = min(int(value[1]), MAX_TEXT), min(int(value[0]), MAX_TEXT)
            if inside > 1:
                inside = min(inside, _MAX_PATHS + 1) ** min(times, 64)
            inside *= times - least + 1
        total *= max(inside, 1)
        if total > _MAX_PATHS:
            return _MAX_PATHS + 1
    return total


def _character(node: Any, flags: int) -> re.Pattern[str]:
    """Compile the test of one character, with the flags of its group."""
    state = _parser.State()
    state.str = ""
    state.flags = flags
    pattern: re.Pattern[str] = _compiler.compile(_parser.SubPattern(state, [node]))
    return pattern


def _condition(name: str, flags: int) -> str:
    boundary = name.endswith("BOUNDARY")
    if name not in _CONDITIONS or flags & re.MULTILINE or (boundary and flags & re.ASCII):
        raise PatternError("it has ^, $ or a word boundary under the flag m or a")
    return name
