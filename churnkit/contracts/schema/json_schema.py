"""The contract as JSON Schema, for the endpoint's OpenAPI page and for other languages.

A row that fits the schema is accepted by the strict `RowEncoder`. Two things stay beyond it:
numbers so large that JSON's readers make them infinite, and half characters (lone surrogates),
which are no valid JSON text. The other way round the reader takes a little more than the schema
says: blank text as a missing value wherever the column is nullable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import BLANKS, DATE_PATTERN

if TYPE_CHECKING:
    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.schema.column import Column

__all__ = ["row_schema"]

_TYPES = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "string": "string",
    "datetime": "string",
}
# The keyword of each limit, and which of two limits is the tighter one.
_LIMITS = {
    "ge": ("minimum", max),
    "gt": ("exclusiveMinimum", max),
    "le": ("maximum", min),
    "lt": ("exclusiveMaximum", min),
    "min_length": ("minLength", max),
    "max_length": ("maxLength", min),
}
_BLANK_CLASS = BLANKS.translate({9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"})
# NUL is no text for any reader; "$" also stands before a last line end, which both admit.
_ANY_TEXT = "^[^\\u0000]*$"
_NOT_BLANK = f"^[{_BLANK_CLASS}]*[^\\u0000{_BLANK_CLASS}][^\\u0000]*$"


def row_schema(contract: Contract, purpose: Purpose = "predict") -> dict[str, Any]:
    """Describe one row of a request as JSON Schema (2020-12).

    Examples
    --------
    >>> from churnkit.contracts import Contract, Schema, entity, feature
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     visits: int = feature("Visits last month", ge=0)
    >>> row_schema(Contract.from_schema(Gym))["properties"]["visits"]
    {'type': 'integer', 'minimum': 0, 'title': 'Visits last month'}
    """
    required = contract.required(purpose)
    properties = {
        column.name: _column_schema(column) for column in (*required, *contract.optional(purpose))
    }
    for column in contract.unread(purpose):
        properties[column.name] = {"title": column.title, "description": "Not read here."}
    return {
        "type": "object",
        "title": contract.name,
        "properties": properties,
        "required": [column.name for column in required],
        "additionalProperties": False,
    }


def _column_schema(column: Column) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES[column.type]}
    allowed = _allowed(column)
    if allowed is not None:
        schema["enum"] = allowed
    else:
        _add_checks(schema, column)
        if column.type == "string":
            schema["pattern"] = _ANY_TEXT if column.nullable else _NOT_BLANK
        elif column.type == "datetime":
            schema["pattern"] = f"^{DATE_PATTERN}$"
    if column.nullable:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if column.title != column.name or column.unit:
        schema["title"] = f"{column.title} ({column.unit})" if column.unit else column.title
    return schema


def _allowed(column: Column) -> list[Any] | None:
    """List the only values that pass, where a check or the known categories list them."""
    sets = [check.value for check in column.checks if check.rule == "isin"]
    sets += [(check.value,) for check in column.checks if check.rule == "eq"]
    if column.levels is not None and column.unknown == "refuse":
        sets.append(column.levels)
    if not sets:
        return None
    return [
        value
        for value in sets[0]
        if all(value in others for others in sets)
        and all(check.holds(value) for check in column.checks)
        and not (column.type == "integer" and value != int(value))
    ]


def _add_checks(schema: dict[str, Any], column: Column) -> None:
    further: list[dict[str, Any]] = []
    for check in column.checks:
        if check.rule in _LIMITS:
            keyword, tighter = _LIMITS[check.rule]
            schema[keyword] = tighter(check.value, schema.get(keyword, check.value))
        elif check.rule == "matches":
            further.append({"pattern": f"^(?:{check.value})"})
        else:  # ne, notin
            refused = list(check.value) if check.rule == "notin" else [check.value]
            further.append({"not": {"enum": refused}})
    if further:
        schema["allOf"] = further
