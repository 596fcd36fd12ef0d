"""Format Python calls and literals within a line length, as ruff does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Code", "call", "literal"]

_LINE = 100


class Code(str):
    """Formatted Python code."""

    __slots__ = ()


def literal(value: Any) -> str:
    """Format a value as a Python literal, with text in double quotes.

    Examples
    --------
    >>> literal(["a", "b"]), literal(("value",)), literal(True)
    ('["a", "b"]', '("value",)', 'True')
    """
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return f"{{{', '.join(_pairs(value))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        inside = ", ".join(map(literal, value))
        return f"({inside},)" if len(value) == 1 else f"({inside})"
    return repr(value)


def _pairs(value: Mapping[str, Any]) -> list[str]:
    return [f"{literal(key)}: {literal(item)}" for key, item in value.items()]


def call(
    before: str,
    function: str,
    arguments: Iterable[Any] = (),
    settings: Mapping[str, Any] | None = None,
    *,
    indent: int = 0,
    after: str = "",
) -> str:
    """Format ``before function(...)after`` in one line, or broken at its arguments.

    Examples
    --------
    >>> call("plan: str = ", "feature", ["Plan"], {"isin": ["a", "b"]}, indent=4)
    '    plan: str = feature("Plan", isin=["a", "b"])'
    """
    parts: list[tuple[str, Any]] = [("", value) for value in arguments]
    parts += [(f"{name}=", value) for name, value in (settings or {}).items()]
    margin = " " * indent
    formatted = [f"{name}{literal(value)}" for name, value in parts]
    opened = f"{margin}{before}{function}("
    line = f"{opened}{', '.join(formatted)}){after}"
    if len(line) <= _LINE:
        return line
    inner = f"{margin}    {', '.join(formatted)}"
    if len(inner) <= _LINE:
        return f"{opened}\n{inner}\n{margin}){after}"
    lines = [_line(name, value, indent + 4) for name, value in parts]
    return "\n".join([opened, *lines, f"{margin}){after}"])


def _line(name: str, value: Any, indent: int) -> str:
    margin = " " * indent
    line = f"{margin}{name}{literal(value)},"
    if len(line) <= _LINE or not isinstance(value, (dict, list)):
        return line
    if isinstance(value, dict):
        items = "\n".join(f"{margin}    {pair}," for pair in _pairs(value))
        return f"{margin}{name}{{\n{items}\n{margin}}},"
    items = "\n".join(f"{margin}    {literal(item)}," for item in value)
    return f"{margin}{name}[\n{items}\n{margin}],"
