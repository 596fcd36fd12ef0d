"""Raw columns as DuckDB finds them, read as what the plan declares."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Reader", "quoted", "read_column", "read_entity", "read_time"]

_OFFSET = r"[0-9]:[0-9]{2}[^+-]*(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)$"
_WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
_SQL_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "string": "VARCHAR"}
_FLOATS = ("FLOAT", "DOUBLE")


def quoted(text: str, mark: str = '"') -> str:
    """Quote a name, or with ``'`` a text.

    Examples
    --------
    >>> quoted('a"b'), quoted("it's", "'")
    ('"a""b"', "'it''s'")
    """
    return mark + text.replace(mark, mark * 2) + mark


@dataclass(frozen=True, slots=True)
class Reader:
    """How a column is read.

    Parameters
    ----------
    value
        The expression that gives it, missing where it cannot be read.
    faults
        Conditions on a row, each with what is wrong and the mend.
    """

    value: str
    faults: tuple[tuple[str, str], ...] = ()


def _is_empty(kind: str) -> bool:
    return kind.strip('"') == "NULL"


def _text(name: str) -> str:
    return f"nullif(trim(CAST({name} AS VARCHAR)), '')"


def _is_text(kind: str) -> bool:
    return kind == "VARCHAR" or kind.startswith("ENUM")


def _is_whole(kind: str) -> bool:
    return kind in _WHOLE or kind in {"HUGEINT", "UHUGEINT"}


def _unreadable(value: str, text: str, remedy: str) -> tuple[str, str]:
    return f"{value} IS NULL AND {text} IS NOT NULL", remedy


def read_time(name: str, kind: str, zone: str) -> Reader | None:
    """Read a moment, in UTC without zone; None where the type holds none.

    Examples
    --------
    >>> read_time('"at"', "TIMESTAMP", "UTC").value
    'CAST("at" AS TIMESTAMP)'
    """
    if _is_empty(kind):
        return Reader(f"CAST({name} AS TIMESTAMP)")
    if kind == "TIMESTAMP WITH TIME ZONE":
        return Reader(f"make_timestamp(epoch_us({name}))")
    if kind.startswith("TIMESTAMP") and ("TZ" in kind or "TIME ZONE" in kind):
        return Reader(f"make_timestamp(epoch_us(CAST({name} AS TIMESTAMPTZ)))")
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return Reader(_in_zone(f"CAST({name} AS TIMESTAMP)", zone))
    if not _is_text(kind):
        return None
    text = _text(name)
    value = f"make_timestamp(epoch_us(TRY_CAST({text} AS TIMESTAMPTZ)))"
    if zone != "UTC":
        local = _in_zone(f"TRY_CAST({text} AS TIMESTAMP)", zone)
        pattern = quoted(_OFFSET, "'")
        value = f"CASE WHEN regexp_matches({text}, {pattern}) THEN {value} ELSE {local} END"
    remedy = (
        "holds times as text that are not all ISO 8601 ({count} of {rows} rows are not): write "
        "every time as YYYY-MM-DD or YYYY-MM-DD HH:MM:SS"
    )
    return Reader(value, (_unreadable(value, text, remedy),))


def _in_zone(moment: str, zone: str) -> str:
    if zone == "UTC":
        return moment
    return f"make_timestamp(epoch_us(timezone({quoted(zone, chr(39))}, {moment})))"


def read_entity(name: str, kind: str, *, trim: bool = False) -> Reader | None:
    """Read what names a customer: text, or a whole number; `trim` takes blanks around it off.

    Examples
    --------
    >>> read_entity('"id"', "BIGINT").value
    'CAST("id" AS BIGINT)'
    """
    if kind == "VARCHAR" and not trim:
        return Reader(f"nullif({name}, '')")
    if _is_text(kind) or _is_empty(kind):
        return Reader(_text(name))
    if _is_whole(kind):
        return Reader(f"CAST({name} AS BIGINT)")
    return _whole(name) if kind in _FLOATS else None


def _whole(name: str) -> Reader:
    number = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
    value = f"CASE WHEN {name} = floor({name}) THEN TRY_CAST({name} AS BIGINT) END"
    remedy = "holds {count} numbers that are not whole: round them, or declare it 'number'"
    return Reader(value, (_unreadable(value, number, remedy),))


def read_column(
    name: str, kind: str, declared: str, zone: str, *, trim: bool = False
) -> Reader | None:
    """Read a column as its declared type; None where the found type cannot be that.

    Examples
    --------
    >>> read_column('"amount"', "DECIMAL(9,2)", "number", "UTC").value
    'CAST("amount" AS DOUBLE)'
    """
    if declared == "datetime":
        return read_time(name, kind, zone)
    if _is_empty(kind):
        return Reader(f"CAST({name} AS {_SQL_TYPES[declared]})")
    if declared == "string":
        return _read_text(name, kind, trim=trim)
    if declared == "boolean":
        return _read_boolean(name, kind)
    return _read_number(name, kind, declared)


def _read_text(name: str, kind: str, *, trim: bool) -> Reader | None:
    if kind == "VARCHAR" and not trim:
        return Reader(f"nullif({name}, '')")
    readable = _is_text(kind) or _is_whole(kind) or kind in {"BOOLEAN", "UUID"}
    return Reader(_text(name)) if readable else None


def _read_number(name: str, kind: str, declared: str) -> Reader | None:
    sql_type = _SQL_TYPES[declared]
    if _is_text(kind):
        value = f"TRY_CAST({_text(name)} AS {sql_type})"
        remedy = "holds {count} texts that are no numbers: correct them, or leave them blank"
        faults = (_unreadable(value, _text(name), remedy),)
        return Reader(value, faults) if declared == "integer" else _finite(value, faults)
    if _is_whole(kind) or (kind.startswith("DECIMAL") and declared == "number"):
        return Reader(f"CAST({name} AS {sql_type})")
    if kind not in _FLOATS:
        return None
    return _whole(name) if declared == "integer" else _finite(f"CAST({name} AS DOUBLE)", ())


def _read_boolean(name: str, kind: str) -> Reader | None:
    if kind == "BOOLEAN":
        return Reader(name)
    if not _is_text(kind) and not _is_whole(kind):
        return None
    value = f"TRY_CAST({_text(name)} AS BOOLEAN)"
    remedy = "holds {count} values that are neither true nor false: write true or false"
    return Reader(value, (_unreadable(value, _text(name), remedy),))


def _finite(value: str, faults: tuple[tuple[str, str], ...]) -> Reader:
    remedy = "holds {count} infinite numbers: replace them by a number or a missing value"
    infinite = (f"isinf({value})", remedy)
    return Reader(f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END", (*faults, infinite))
