"""Cast source columns in Spark to the types that a timeline declares."""

from __future__ import annotations

from churnkit.timeline.engines.casts import HAS_OFFSET, IS_TIME, TIME_REMEDY, UTC_NAME, Cast

__all__ = ["cast_column", "quote"]

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
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


def cast_column(name: str, kind: str, declared: str, zone: str) -> Cast | None:
    """Cast a column to its declared type; None if its Spark type does not allow that.

    Examples
    --------
    >>> cast_column("`fee`", "decimal(9,2)", "number", "UTC").value
    'CAST(`fee` AS DOUBLE)'
    """
    if kind == "void":
        return Cast(f"CAST({name} AS {_SQL_TYPES.get(declared, 'STRING')})")
    if declared == "datetime":
        cast = _cast_time(name, kind, zone)
        return None if cast is None else cast.with_calendar_years()
    text = f"nullif(trim({name}), '')"
    if declared in {"entity", "string"}:
        sql_type = "BIGINT" if declared == "entity" else "STRING"
        integer = Cast(f"CAST({name} AS {sql_type})") if kind in _INTEGERS else None
        return Cast(text) if kind == "string" else integer
    if kind == "string":
        cast = _try(f"try_cast({text} AS {_SQL_TYPES[declared]})", text, declared)
        return _finite(cast) if declared == "number" else cast
    return _cast_typed(name, kind, declared)


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


def _cast_time(name: str, kind: str, zone: str) -> Cast | None:
    """Cast to a timestamp; without an offset it is in the table's zone. The session is in UTC."""
    if kind == "timestamp":
        return Cast(name)
    if kind in {"date", "timestamp_ntz"}:
        local = f"CAST({name} AS TIMESTAMP)"
        return Cast(local if zone == "UTC" else f"to_utc_timestamp({local}, '{zone}')")
    if kind != "string":
        return None
    text = f"nullif(trim({name}), '')"
    numeric = f"regexp_replace({text}, '{UTC_NAME}', '+00:00')"
    value = f"try_cast({numeric} AS TIMESTAMP)"
    if zone != "UTC":
        local = f"to_utc_timestamp({value}, '{zone}')"
        value = f"CASE WHEN {text} RLIKE '{HAS_OFFSET}' THEN {value} ELSE {local} END"
    return _try(f"CASE WHEN {text} RLIKE '{IS_TIME}' THEN {value} END", text, "datetime")
