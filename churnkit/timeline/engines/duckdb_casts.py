"""Cast source columns in DuckDB to the types that a timeline declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.timeline.engines.casts import (
    HAS_OFFSET,
    IS_TIME,
    TIME_REMEDY,
    UTC_NAME,
    Cast,
    lookup_key,
)
from churnkit.timeline.engines.text_formats import (
    MONTH_FORMATS,
    TextFunctions,
    format_remedy,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cast_column", "quote"]

_INTEGERS = {
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "HUGEINT", "UHUGEINT",
}  # fmt: skip
_SQL_TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "string": "VARCHAR"}
_FLOATS = {"FLOAT", "DOUBLE"}
_TEXTS = TextFunctions(
    matches="regexp_matches({text}, '{pattern}')",
    replace="regexp_replace({text}, '{pattern}', '{replacement}')",
    extract="regexp_extract({text}, '{pattern}')",
    group="\\",
)


def quote(text: str, mark: str = '"') -> str:
    """Quote a name, or a text with ``'``.

    Examples
    --------
    >>> quote('a"b'), quote("it's", "'")
    ('"a""b"', "'it''s'")
    """
    return mark + text.replace(mark, mark * 2) + mark


def _is_null_type(kind: str) -> bool:
    return kind.strip('"') == "NULL"


def _is_text(kind: str) -> bool:
    return kind == "VARCHAR" or kind.startswith("ENUM")


def _trimmed(name: str) -> str:
    return f"nullif(trim(CAST({name} AS VARCHAR)), '')"


def _try(value: str, text: str, remedy: str) -> Cast:
    return Cast(value, ((f"{value} IS NULL AND {text} IS NOT NULL", remedy),))


def _cast_time(
    name: str, kind: str, zone: str, written: str | None, missing: Sequence[str]
) -> Cast | None:
    """Cast to a timestamp in UTC; None if the type has no times."""
    if _is_null_type(kind):
        return Cast(f"CAST({name} AS TIMESTAMP)")
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return Cast(_cast_typed_time(name, kind, zone)).without_dates(missing)
    is_number = kind in _INTEGERS or kind in _FLOATS or kind.startswith("DECIMAL")
    if not _is_text(kind) and not (is_number and written):
        return None
    text = _trimmed(name)
    value = _cast_text_time(text, zone, written)
    return _try(value, text, format_remedy(written) if written else TIME_REMEDY)


def _cast_typed_time(name: str, kind: str, zone: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"make_timestamp(epoch_us({name}))"
    if "TZ" in kind or "TIME ZONE" in kind:
        return f"make_timestamp(epoch_us(CAST({name} AS TIMESTAMPTZ)))"
    return _to_utc(f"CAST({name} AS TIMESTAMP)", zone)


def _cast_text_time(text: str, zone: str, written: str | None) -> str:
    if written is None:
        return _cast_iso_time(text, zone)
    if number := _TEXTS.microseconds(text, written, "TRY_CAST({value} AS DOUBLE)"):
        return f"make_timestamp(TRY_CAST({number} AS BIGINT))"
    iso = _TEXTS.iso_time(text, written)
    value = _cast_iso_time(_TEXTS.without_half_day(iso), zone)
    if written in MONTH_FORMATS:
        return f"CAST(last_day({value}) AS TIMESTAMP)"
    hours = _TEXTS.half_day_hours(iso, value)
    return f"CASE WHEN {_TEXTS.is_half_day(iso)} THEN {value} + to_hours({hours}) ELSE {value} END"


def _cast_iso_time(text: str, zone: str) -> str:
    numeric = f"regexp_replace({text}, '{UTC_NAME}', '+00')"
    value = f"make_timestamp(epoch_us(TRY_CAST({numeric} AS TIMESTAMPTZ)))"
    if zone != "UTC":
        local = _to_utc(f"TRY_CAST({text} AS TIMESTAMP)", zone)
        value = f"CASE WHEN regexp_matches({text}, '{HAS_OFFSET}') THEN {value} ELSE {local} END"
    return f"CASE WHEN regexp_matches({text}, '{IS_TIME}') THEN {value} END"


def _to_utc(timestamp: str, zone: str) -> str:
    if zone == "UTC":
        return timestamp
    return f"make_timestamp(epoch_us(timezone({quote(zone, chr(39))}, {timestamp})))"


def _cast_entity(name: str, kind: str, *, trim: bool, as_text: bool) -> Cast | None:
    """Cast a customer's id to text or an integer."""
    if as_text:
        return Cast(f"nullif({lookup_key(f'CAST({name} AS VARCHAR)')}, '')")
    if _is_null_type(kind):
        return Cast(_trimmed(name))
    if kind in {"UBIGINT", "HUGEINT", "UHUGEINT"} or _is_integral_decimal(kind):
        remedy = (
            "has {count} ids above 9,223,372,036,854,775,807: convert the ids to text in all tables"
        )
        return _try(f"TRY_CAST({name} AS BIGINT)", name, remedy)
    if kind in _INTEGERS:
        return Cast(f"CAST({name} AS BIGINT)")
    if kind in _FLOATS:
        return _cast_integral(name)
    return _cast_text(name, kind, trim=trim) if _is_text(kind) or kind == "UUID" else None


def _is_integral_decimal(kind: str) -> bool:
    return kind.startswith("DECIMAL") and kind.endswith(",0)")


def _cast_integral(name: str) -> Cast:
    number = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
    value = f"CASE WHEN {name} = floor({name}) THEN TRY_CAST({name} AS BIGINT) END"
    remedy = "has {count} numbers that are not integers: round them, or declare it 'number'"
    return _try(value, number, remedy)


def cast_column(
    name: str,
    kind: str,
    declared: str,
    zone: str,
    *,
    trim: bool = False,
    written: str | None = None,
    missing: Sequence[str] = (),
) -> Cast | None:
    """Cast a column to its declared type; None if its SQL type does not allow that.

    Parameters
    ----------
    name
        The quoted name.
    kind
        The SQL type.
    declared
        A type of contracts, or ``entity`` for the customer's id.
    zone
        Time zone of times without an offset.
    trim
        Remove whitespace around text.
    written
        Format of texts, see `churnkit.timeline.Table`.
    missing
        Texts in lower case that mean missing.

    Examples
    --------
    >>> cast_column('"amount"', "DECIMAL(9,2)", "number", "UTC").value
    'CAST("amount" AS DOUBLE)'
    """
    is_epoch = declared == "datetime" and written is not None and kind in _INTEGERS
    if missing and (_is_text(kind) or is_epoch):
        name, kind = f"({_TEXTS.without(missing, f'CAST({name} AS VARCHAR)')})", "VARCHAR"
    if declared == "datetime":
        cast = _cast_time(name, kind, zone, written, missing)
        return None if cast is None else cast.with_calendar_years()
    if declared == "entity":
        return _cast_entity(name, kind, trim=trim, as_text=written is not None)
    if _is_null_type(kind):
        return Cast(f"CAST({name} AS {_SQL_TYPES[declared]})")
    if declared == "string":
        return _cast_text(name, kind, trim=trim)
    if declared == "boolean":
        return _cast_boolean(name, kind)
    return _cast_number(name, kind, declared, written)


def _cast_text(name: str, kind: str, *, trim: bool) -> Cast | None:
    if kind == "VARCHAR" and not trim:
        return Cast(f"nullif({name}, '')")
    readable = _is_text(kind) or kind in _INTEGERS or kind in {"BOOLEAN", "UUID"}
    return Cast(_trimmed(name)) if readable else None


def _cast_number(name: str, kind: str, declared: str, written: str | None) -> Cast | None:
    sql_type = _SQL_TYPES[declared]
    if written and _is_text(kind):
        value = _TEXTS.number(_trimmed(name), written, "TRY_CAST({value} AS DOUBLE)")
        return _finite(_try(value, _trimmed(name), format_remedy(written)))
    if _is_text(kind):
        remedy = "has {count} texts that are not numbers: correct them, or leave them blank"
        cast = _try(f"TRY_CAST({_trimmed(name)} AS {sql_type})", _trimmed(name), remedy)
        return cast if declared == "integer" else _finite(cast)
    if declared == "integer" and (kind.endswith("HUGEINT") or kind == "UBIGINT"):
        remedy = "has {count} integers above 9,223,372,036,854,775,807: declare it 'number'"
        return _try(f"TRY_CAST({name} AS BIGINT)", name, remedy)
    if kind in _INTEGERS or (kind.startswith("DECIMAL") and declared == "number"):
        return Cast(f"CAST({name} AS {sql_type})")
    if kind not in _FLOATS:
        return None
    return (
        _cast_integral(name) if declared == "integer" else _finite(Cast(f"CAST({name} AS DOUBLE)"))
    )


def _cast_boolean(name: str, kind: str) -> Cast | None:
    if kind == "BOOLEAN":
        return Cast(name)
    if not _is_text(kind) and kind not in _INTEGERS:
        return None
    remedy = "has {count} values that are neither true nor false: use true or false"
    return _try(f"TRY_CAST({_trimmed(name)} AS BOOLEAN)", _trimmed(name), remedy)


def _finite(cast: Cast) -> Cast:
    remedy = "has {count} infinite numbers: replace them by a number or a missing value"
    value = f"CASE WHEN isnan({cast.value}) THEN NULL ELSE {cast.value} END"
    return Cast(value, (*cast.faults, (f"isinf({cast.value})", remedy)))
