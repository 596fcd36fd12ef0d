"""Raw columns as Spark finds them, read as what the plan declares."""

from __future__ import annotations

__all__ = ["read_as", "spark_quoted"]

_WHOLE = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_SQL = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_MENDS = {
    "integer": "holds {count} texts that are no numbers: correct them, or leave them blank",
    "number": "holds {count} texts that are no numbers: correct them, or leave them blank",
    "boolean": "holds {count} texts that are neither true nor false: write true or false",
    "datetime": "holds times as text that are not all ISO 8601 ({count} of {rows} rows are not): "
    "write every time as YYYY-MM-DD or YYYY-MM-DD HH:MM:SS",
}

Read = tuple[str, list[tuple[str, str]]]


def spark_quoted(name: str) -> str:
    """Quote a name.

    Examples
    --------
    >>> spark_quoted("plan")
    '`plan`'
    """
    return "`" + name.replace("`", "``") + "`"


def read_as(name: str, kind: str, declared: str, zone: str) -> Read | None:
    """Return how a column is read, and conditions with what is wrong where they hold.

    None where a type cannot be read as declared.

    Examples
    --------
    >>> read_as("`fee`", "decimal(9,2)", "number", "UTC")
    ('CAST(`fee` AS DOUBLE)', [])
    """
    if kind == "void":
        return f"CAST({name} AS {_SQL.get(declared, _void(declared))})", []
    if declared == "datetime":
        return _moment(name, kind, zone)
    text = f"nullif(trim({name}), '')"
    if declared in {"entity", "string"}:
        if kind == "string":
            return text, []
        return (_number(name, declared), []) if kind in _WHOLE else None
    if kind == "string":
        value = f"try_cast({text} AS {_SQL[declared]})"
        faults = [(f"{value} IS NULL AND {text} IS NOT NULL", _MENDS[declared])]
        return _finite(value, faults) if declared == "number" else (value, faults)
    return _typed(name, kind, declared)


def _void(declared: str) -> str:
    return "TIMESTAMP" if declared == "datetime" else "STRING"


def _number(name: str, declared: str) -> str:
    return f"CAST({name} AS {'BIGINT' if declared == 'entity' else 'STRING'})"


def _typed(name: str, kind: str, declared: str) -> Read | None:
    if declared == "boolean":
        return (name, []) if kind == "boolean" else None
    if kind in _FLOATS:
        if declared == "number":
            return _finite(f"CAST({name} AS DOUBLE)", [])
        value = f"CASE WHEN {name} = floor({name}) THEN try_cast({name} AS BIGINT) END"
        fault = f"{value} IS NULL AND NOT isnan({name})"
        return value, [(fault, "holds {count} numbers that are not whole: round them")]
    if kind in _WHOLE or (kind.startswith("decimal") and declared == "number"):
        return f"CAST({name} AS {_SQL[declared]})", []
    return None


def _finite(value: str, faults: list[tuple[str, str]]) -> Read:
    remedy = "holds {count} infinite numbers: replace them by a number or a missing value"
    infinite = f"abs({value}) = double('Infinity')"
    return f"CASE WHEN isnan({value}) THEN NULL ELSE {value} END", [*faults, (infinite, remedy)]


def _moment(name: str, kind: str, zone: str) -> Read | None:
    """Read a moment; without offset in the table's zone. The session's zone is UTC."""
    if kind == "timestamp":
        return name, []
    if kind in {"date", "timestamp_ntz"}:
        local = f"CAST({name} AS TIMESTAMP)"
        return (local if zone == "UTC" else f"to_utc_timestamp({local}, '{zone}')"), []
    if kind != "string":
        return None
    text = f"nullif(trim({name}), '')"
    value = f"try_cast({text} AS TIMESTAMP)"
    faults = [(f"{value} IS NULL AND {text} IS NOT NULL", _MENDS["datetime"])]
    if zone != "UTC":
        offset = f"{text} RLIKE '[0-9]:[0-9]{{2}}[^+-]*(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$'"
        value = f"CASE WHEN {offset} THEN {value} ELSE to_utc_timestamp({value}, '{zone}') END"
    return value, faults
