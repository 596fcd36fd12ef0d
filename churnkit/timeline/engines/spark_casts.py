"""Cast source columns in Spark to the types that a timeline declares."""

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

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_TEXTS = TextFunctions(
    matches="{text} RLIKE '{pattern}'",
    replace="regexp_replace({text}, '{pattern}', '{replacement}')",
    extract="regexp_extract({text}, '{pattern}', 0)",
    group="$",
)
_SQL_TYPES = {
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "datetime": "TIMESTAMP",
}
_REMEDIES = {
    "integer": "has {count} texts that are not numbers: correct them, or leave them blank",
    "number": "has {count} texts that are not numbers: correct them, or leave them blank",
    "boolean": "has {count} texts that are neither true nor false: use true or false",
    "datetime": TIME_REMEDY,
}


def quote(name: str) -> str:
    """Quote a name.

    Examples
    --------
    >>> quote("plan")
    '`plan`'
    """
    return "`" + name.replace("`", "``") + "`"


def cast_column(
    name: str,
    kind: str,
    declared: str,
    zone: str,
    *,
    written: str | None = None,
    missing: Sequence[str] = (),
) -> Cast | None:
    """Cast a column to its declared type; None if its Spark type does not allow that.

    Parameters
    ----------
    name
        The quoted name.
    kind
        The Spark type.
    declared
        A type of contracts, or ``entity`` for the customer's id.
    zone
        Time zone of times without an offset.
    written
        Format of texts, see `churnkit.timeline.Table`.
    missing
        Texts in lower case that mean missing.

    Examples
    --------
    >>> cast_column("`fee`", "decimal(9,2)", "number", "UTC").value
    'CAST(`fee` AS DOUBLE)'
    """
    if kind == "void":
        return Cast(f"CAST({name} AS {_SQL_TYPES.get(declared, 'STRING')})")
    is_epoch = declared == "datetime" and written is not None and kind in _INTEGERS
    if missing and is_epoch:
        name, kind = f"CAST({name} AS STRING)", "string"
    if missing and kind == "string":
        name = f"({_TEXTS.without(missing, name)})"
    if declared == "datetime":
        cast = _cast_time(name, kind, zone, written)
        if cast is not None and kind in {"timestamp", "date", "timestamp_ntz"}:
            cast = cast.without_dates(missing)
        return None if cast is None else cast.with_calendar_years()
    text = f"nullif(trim({name}), '')"
    if declared in {"entity", "string"}:
        return _cast_text(name, kind, declared, as_text=written is not None)
    if kind == "string":
        return _cast_number(text, declared, written)
    return _cast_typed(name, kind, declared)


def _cast_text(name: str, kind: str, declared: str, *, as_text: bool) -> Cast | None:
    if as_text:
        return Cast(f"nullif({lookup_key(f'CAST({name} AS STRING)')}, '')")
    if kind == "string":
        return Cast(f"nullif(trim({name}), '')")
    sql_type = "BIGINT" if declared == "entity" else "STRING"
    return Cast(f"CAST({name} AS {sql_type})") if kind in _INTEGERS else None


def _cast_number(text: str, declared: str, written: str | None) -> Cast:
    if written:
        value = _TEXTS.number(text, written, "try_cast({value} AS DOUBLE)")
        fault = (f"{value} IS NULL AND {text} IS NOT NULL", format_remedy(written))
        return _finite(Cast(value, (fault,)))
    cast = _try(f"try_cast({text} AS {_SQL_TYPES[declared]})", text, declared)
    return _finite(cast) if declared == "number" else cast


def _cast_typed(name: str, kind: str, declared: str) -> Cast | None:
    if declared == "boolean":
        return Cast(name) if kind == "boolean" else None
    if kind in _FLOATS:
        if declared == "number":
            return _finite(Cast(f"CAST({name} AS DOUBLE)"))
        value = f"CASE WHEN {name} = floor({name}) THEN try_cast({name} AS BIGINT) END"
        fault = f"{value} IS NULL AND NOT isnan({name})"
        return Cast(value, ((fault, "has {count} numbers that are not integers: round them"),))
    if kind in _INTEGERS or (kind.startswith("decimal") and declared == "number"):
        return Cast(f"CAST({name} AS {_SQL_TYPES[declared]})")
    return None


def _try(value: str, text: str, declared: str) -> Cast:
    return Cast(value, ((f"{value} IS NULL AND {text} IS NOT NULL", _REMEDIES[declared]),))


def _finite(cast: Cast) -> Cast:
    remedy = "has {count} infinite numbers: replace them by a number or a missing value"
    infinite = (f"abs({cast.value}) = double('Infinity')", remedy)
    value = f"CASE WHEN isnan({cast.value}) THEN NULL ELSE {cast.value} END"
    return Cast(value, (*cast.faults, infinite))


def _cast_time(name: str, kind: str, zone: str, written: str | None) -> Cast | None:
    """Cast to a timestamp; without an offset it is in the table's zone. The session is in UTC."""
    if kind == "timestamp":
        return Cast(name)
    if kind in {"date", "timestamp_ntz"}:
        local = f"CAST({name} AS TIMESTAMP)"
        return Cast(local if zone == "UTC" else f"to_utc_timestamp({local}, '{zone}')")
    is_number = kind in _INTEGERS or kind in _FLOATS or kind.startswith("decimal")
    if kind != "string" and not (is_number and written):
        return None
    text = f"nullif(trim({_plain_text(name, kind)}), '')"
    if written is None:
        return _try(_cast_iso_time(text, zone), text, "datetime")
    if number := _TEXTS.microseconds(text, written, "try_cast({value} AS DOUBLE)"):
        value = f"timestamp_micros(try_cast({number} AS BIGINT))"
    else:
        iso = _TEXTS.iso_time(text, written)
        value = _cast_iso_time(_TEXTS.without_half_day(iso), zone)
        hours = f"make_interval(0, 0, 0, 0, {_TEXTS.half_day_hours(iso, value)})"
        value = (
            f"CAST(last_day({value}) AS TIMESTAMP)"
            if written in MONTH_FORMATS
            else f"CASE WHEN {_TEXTS.is_half_day(iso)} THEN {value} + {hours} ELSE {value} END"
        )
    return Cast(value, ((f"{value} IS NULL AND {text} IS NOT NULL", format_remedy(written)),))


def _plain_text(name: str, kind: str) -> str:
    """Format a number without an exponent, or return a text."""
    if kind == "string":
        return name
    return (
        f"CAST(CAST({name} AS DECIMAL(38, 12)) AS STRING)"
        if kind in _FLOATS
        else f"CAST({name} AS STRING)"
    )


def _cast_iso_time(text: str, zone: str) -> str:
    numeric = f"regexp_replace({text}, '{UTC_NAME}', '+00:00')"
    value = f"try_cast({numeric} AS TIMESTAMP)"
    if zone != "UTC":
        local = f"to_utc_timestamp({value}, '{zone}')"
        value = f"CASE WHEN {text} RLIKE '{HAS_OFFSET}' THEN {value} ELSE {local} END"
    return f"CASE WHEN {text} RLIKE '{IS_TIME}' THEN {value} END"
