"""JSON Schema of a contract, for the OpenAPI page and for clients in other languages.

The strict `RowEncoder` accepts every row that is valid under the schema, except numbers that
JSON parsers turn into infinity and lone surrogates, which are not valid JSON text. It accepts
slightly more than the schema: blank text as a missing value in nullable columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import BLANKS, DATE_PATTERN
from churnkit.contracts.schema.linear_regex import MAX_TEXT

if TYPE_CHECKING:
    from churnkit.contracts.schema.column import Column
    from churnkit.contracts.schema.table_schema import Purpose, TableSchema

__all__ = ["row_schema"]

_TYPES = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "string": "string",
    "datetime": "string",
}
# The keyword of each limit, and the function that picks the tighter of two limits.
_LIMITS = {
    "ge": ("minimum", max),
    "gt": ("exclusiveMinimum", max),
    "le": ("maximum", min),
    "lt": ("exclusiveMaximum", min),
    "min_length": ("minLength", max),
    "max_length": ("maxLength", min),
}
_BLANK_CLASS = BLANKS.translate({9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"})
# Parsers reject NUL; "$" also matches before a final newline, which both sides accept.
_ANY_TEXT = "^[^\\u0000]*$"
_NOT_BLANK = f"^[{_BLANK_CLASS}]*[^\\u0000{_BLANK_CLASS}][^\\u0000]*$"


def row_schema(contract: TableSchema, purpose: Purpose = "predict") -> dict[str, Any]:
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
        properties[column.name] = {
            "title": column.title,
            "description": "Not read by this operation.",
        }
    return {
        "type": "object",
        "title": contract.name,
        "properties": properties,
        "required": [column.name for column in required],
        "additionalProperties": False,
    }


def _column_schema(column: Column) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": _TYPES[column.type]}
    allowed = _allowed_values(column)
    if allowed is not None:
        schema["enum"] = allowed
    else:
        _add_checks(schema, column)
        if column.type == "string":
            schema["pattern"] = _ANY_TEXT if column.nullable else _NOT_BLANK
        elif column.type == "datetime":
            schema["pattern"] = f"^{DATE_PATTERN}$"
    if column.default is not None:
        schema["default"] = column.default
    if column.nullable:
        schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if column.title != column.name or column.unit:
        schema["title"] = f"{column.title} ({column.unit})" if column.unit else column.title
    return schema


def _allowed_values(column: Column) -> list[Any] | None:
    """List the values that pass if a check or the categories enumerate them."""
    sets = [check.value for check in column.checks if check.rule == "isin"]
    sets += [(check.value,) for check in column.checks if check.rule == "eq"]
    if column.levels is not None and column.unknown == "refuse":
        sets.append(column.levels)
    if not sets:
        return None
    return [
        value
        for value in sets[0]
        if all(value in allowed for allowed in sets)
        and all(check.holds(value) for check in column.checks)
        and not (column.type == "integer" and value != int(value))
    ]


def _add_checks(schema: dict[str, Any], column: Column) -> None:
    conditions: list[dict[str, Any]] = []
    for check in column.checks:
        if check.rule in _LIMITS:
            keyword, tighter = _LIMITS[check.rule]
            schema[keyword] = tighter(check.value, schema.get(keyword, check.value))
        elif check.rule == "matches":
            conditions.append({"pattern": f"^(?:{check.value})", "maxLength": MAX_TEXT})
        else:  # ne, notin
            forbidden = list(check.value) if check.rule == "notin" else [check.value]
            conditions.append({"not": {"enum": forbidden}})
    if conditions:
        schema["allOf"] = conditions
