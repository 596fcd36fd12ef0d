"""Columns of a stream: values of a JSON row as typed columns of a table."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from churnkit.connect.description.row_paths import value_at
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "RowMapper", "split_column"]

# Microseconds from 0001 to 9999: what Arrow, Parquet and DuckDB all read.
_LOWEST, _HIGHEST = -62_135_596_800_000_000, 253_402_300_799_999_999


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    return number if math.isfinite(number) else None


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    try:
        return {"true": True, "false": False}[str(value).lower()]
    except KeyError:
        raise ValueError from None


def _since_1970(unit: int) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        if isinstance(value, bool):
            raise TypeError
        return _in_range(round(float(value) * unit))

    return convert


def _iso(value: Any) -> int | None:
    if not value:
        return None
    if not isinstance(value, str):
        raise TypeError
    text = value.strip()
    if text.isdigit() and len(text) in {12, 13}:
        return _in_range(int(text) * 1000)
    if text.endswith("+0000"):
        text = text.removesuffix("+0000") + "+00:00"
    time = datetime.fromisoformat(text)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _in_range(microseconds: int) -> int:
    if not _LOWEST <= microseconds <= _HIGHEST:
        raise ValueError
    return microseconds


KINDS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "number": _number,
    "flag": _flag,
    "time": _iso,
    "seconds": _since_1970(1_000_000),
    "milliseconds": _since_1970(1_000),
}
"""Conversions by the kind of a column; times become microseconds since 1970."""

_TIMES = {"time", "seconds", "milliseconds"}


def split_column(spec: str) -> tuple[str, str]:
    """Split ``"path:kind"``; the kind is text by default.

    Examples
    --------
    >>> split_column("created:seconds"), split_column("name")
    (('created', 'seconds'), ('name', 'text'))
    """
    path, _, kind = spec.partition(":")
    return path, kind or "text"


class RowMapper:
    """Map JSON rows to values of columns.

    Parameters
    ----------
    columns
        ``"path:kind"`` by column.
    rest
        Path of an object whose other names become columns too, with ``_field`` added where a
        column has the name; None for none.
    kinds
        Kinds of the columns in `rest`, by name; text otherwise.
    stream
        Name for messages.

    Examples
    --------
    >>> mapper = RowMapper({"id": "id", "paid": "paid:number"}, None, {}, "invoices")
    >>> mapper.map({"id": 7, "paid": "1.5"})
    {'id': '7', 'paid': 1.5}
    """

    def __init__(
        self, columns: Mapping[str, str], rest: str | None, kinds: Mapping[str, str], stream: str
    ) -> None:
        declared = {name: split_column(spec) for name, spec in columns.items()}
        self._stream = stream
        self._declared = [(name, path, KINDS[kind]) for name, (path, kind) in declared.items()]
        self._rest = rest
        self._kinds = {f"{n}_field" if n in columns else n: kind for n, kind in kinds.items()}
        self._kinds |= {name: kind for name, (_, kind) in declared.items()}
        self._converters = {name: KINDS[kind] for name, kind in kinds.items() if kind != "text"}
        prefix = f"{rest}." if rest else ""
        paths = {path for path, _ in declared.values()}
        self._taken = {path.removeprefix(prefix) for path in paths if path.startswith(prefix)}
        self._names = frozenset(columns)

    def kind(self, name: str) -> str:
        """Return the kind of a column: text, number, flag or time; ``""`` for other columns."""
        kind = self._kinds.get(name, "")
        return "time" if kind in _TIMES else kind

    def map(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a row by column.

        Raises
        ------
        DataError
            If a value is not of its column's kind; the message names the column only.
        """
        values: dict[str, Any] = {}
        for name, path, convert in self._declared:
            value = value_at(row, path) if "." in path else row.get(path)
            values[name] = None if value is None else self._convert(name, convert, value)
        others = None if self._rest is None else value_at(row, self._rest)
        if not isinstance(others, dict):
            return values
        taken, names, converters = self._taken, self._names, self._converters
        for field, value in others.items():
            if field in taken:
                continue
            name = f"{field}_field" if field in names else field
            if value is None or value == "":
                values[name] = None
            elif field in converters:
                values[name] = self._convert(name, converters[field], value)
            else:
                values[name] = value if value.__class__ is str else _text(value)
        return values

    def _convert(self, name: str, convert: Callable[[Any], Any], value: Any) -> Any:
        try:
            return convert(value)
        except (ValueError, TypeError, OverflowError):
            raise DataError(
                f"stream '{self._stream}'",
                f"column '{name}' no longer holds a {self.kind(name)}: the page was not written; "
                "ask the provider's administrator, or map another field",
            ) from None
