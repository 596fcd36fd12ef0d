"""Compile pandera models to contract columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandera.pandas as pa
from pandera import dtypes

from churnkit.contracts.schema.column import OTHER_LEVEL, Check, Column, ColumnType
from churnkit.contracts.schema.fields import METADATA_KEY
from churnkit.contracts.schema.table_schema import ENCODED_ROLES
from churnkit.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["compile_schema", "open_questions"]

# The rule and the argument of pandera checks with one argument.
_RULES = {
    "equal_to": ("eq", "value"),
    "not_equal_to": ("ne", "value"),
    "greater_than": ("gt", "min_value"),
    "greater_than_or_equal_to": ("ge", "min_value"),
    "less_than": ("lt", "max_value"),
    "less_than_or_equal_to": ("le", "max_value"),
    "isin": ("isin", "allowed_values"),
    "notin": ("notin", "forbidden_values"),
    "str_matches": ("matches", "pattern"),
}


def compile_schema(schema: Any) -> tuple[str, tuple[Column, ...]]:
    """Compile a pandera ``DataFrameModel`` or ``DataFrameSchema``.

    Returns
    -------
    name
        The model's name in lower case.
    columns
        In the model's order.

    Raises
    ------
    ContractError
        If a field has no role, or a type or check that cannot be stored with a model.
    """
    name = getattr(schema, "__name__", None) or getattr(schema, "name", None) or "table"
    frame_schema = schema if isinstance(schema, pa.DataFrameSchema) else schema.to_schema()
    columns = tuple(
        _compile_column(str(column_name), column)
        for column_name, column in frame_schema.columns.items()
    )
    name = str(name).lower()
    _check_frame_rules(name, columns, frame_schema)
    return name, columns


def _check_frame_rules(name: str, columns: tuple[Column, ...], frame_schema: Any) -> None:
    """Reject frame-level rules, which a contract does not store."""
    where = f"contract '{name}'"
    if frame_schema.checks:
        raise ContractError(
            f"{where} has checks of whole rows (@dataframe_check), which cannot be stored with a "
            "model: check single columns, or derive a column that can be checked"
        )
    if frame_schema.index is not None:
        raise ContractError(f"{where} has an index, which other tables lack: make it a column")
    unique = frame_schema.unique or []
    keys = {column.name for column in columns if column.has_role("entity", "as_of")}
    if set([unique] if isinstance(unique, str) else unique) - keys:
        raise ContractError(
            f"{where} requires unique rows by {unique}: only the entity (with its date) is "
            "checked for uniqueness, and always"
        )


def _compile_column(name: str, column: Any) -> Column:
    metadata = (column.metadata or {}).get(METADATA_KEY)
    if not metadata:
        raise ContractError(
            f"column '{name}' has no role: declare it with entity(), feature(), label(), "
            "value(), pii() or ignore() from churnkit.contracts"
        )
    roles = tuple(metadata["roles"])
    _check_column_rules(name, column, roles)
    kind = _column_type(name, column.dtype)
    checks = tuple(check for raw in column.checks for check in _compile_check(name, raw))
    categories = _categories(kind, checks)
    unknown: Any = metadata.get("unknown") or ("refuse" if categories is not None else "missing")
    if unknown == "other" and categories is not None:
        # The list names the categories of the model, and refuses no row.
        checks = tuple(check for check in checks if check.rule != "isin")
        categories = (*(each for each in categories if each != OTHER_LEVEL), OTHER_LEVEL)
    return Column(
        name=name,
        type=kind,
        roles=roles,
        title=metadata.get("title") or name,
        unit=metadata.get("unit"),
        phrase=metadata.get("phrase"),
        words=tuple((metadata.get("words") or {}).items()),
        nullable=bool(column.nullable),
        checks=checks,
        levels=categories if set(roles) & set(ENCODED_ROLES) else None,
        unknown=unknown,
        positive=metadata.get("positive"),
        written=metadata.get("written"),
        missing=tuple(metadata.get("missing") or ()),
        numbered=bool(metadata.get("numbered")),
        default=metadata.get("default"),
    )


def open_questions(schema: Any) -> tuple[tuple[str, str], ...]:
    """List the fields that are drafted with ``todo="..."``, with that text.

    Examples
    --------
    >>> from churnkit.contracts import Schema, entity, label
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     left: bool = label(todo="does 1 mean churned?")
    >>> open_questions(Gym)
    (('left', 'does 1 mean churned?'),)
    """
    frame_schema = schema if isinstance(schema, pa.DataFrameSchema) else schema.to_schema()
    fields = (
        (str(name), (column.metadata or {}).get(METADATA_KEY) or {})
        for name, column in frame_schema.columns.items()
    )
    return tuple((name, metadata["todo"]) for name, metadata in fields if metadata.get("todo"))


def _categories(kind: ColumnType, checks: tuple[Check, ...]) -> tuple[str, ...] | None:
    """Return the categories of an ``isin`` check that pass all checks, in the schema's order."""
    sets = [check.value for check in checks if check.rule == "isin"]
    if kind != "string" or not sets:
        return None
    return tuple(value for value in sets[0] if all(check.holds(value) for check in checks))


def _check_column_rules(name: str, column: Any, roles: tuple[str, ...]) -> None:
    """Reject column settings that a contract does not store."""
    if column.unique and "entity" not in roles:
        raise ContractError(
            f"column '{name}' has unique=True: only the entity is checked for uniqueness"
        )
    if not column.required:
        raise ContractError(
            f"column '{name}' is optional, but a model needs all its columns: declare it "
            "nullable=True and send missing values"
        )
    if column.regex:
        raise ContractError(f"column '{name}' is a name pattern (regex=True): declare each column")


def _column_type(name: str, dtype: Any) -> ColumnType:
    if dtype is None:
        raise ContractError(f"column '{name}' has no type: annotate it, as in {name}: float")
    if dtypes.is_bool(dtype):
        return "boolean"
    if dtypes.is_int(dtype):
        return "integer"
    if dtypes.is_float(dtype):
        return "number"
    if dtypes.is_datetime(dtype):
        return "datetime"
    if dtypes.is_string(dtype) or dtypes.is_category(dtype) or str(dtype) in {"str", "object"}:
        return "string"
    raise ContractError(
        f"column '{name}' has the unsupported type {dtype}: use int, float, bool, str or a datetime"
    )


def _compile_check(column: str, check: Any) -> Iterator[Check]:
    statistics = dict(check.statistics or {})
    if check.raise_warning or not check.ignore_na:
        raise ContractError(
            f"column '{column}': the check '{check.name}' has raise_warning=True or "
            "ignore_na=False, which a contract does not support: remove the setting and use "
            "nullable for missing values"
        )
    if check.name in _RULES:
        rule, key = _RULES[check.name]
        value = statistics[key]
        if isinstance(value, re.Pattern):
            value = _pattern_text(column, value)
        yield Check(rule, value)
    elif check.name == "in_range":
        low = "ge" if statistics.get("include_min", True) else "gt"
        high = "le" if statistics.get("include_max", True) else "lt"
        yield Check(low, statistics["min_value"])
        yield Check(high, statistics["max_value"])
    elif check.name == "str_length":
        exact = statistics.get("exact_value")
        shortest = statistics.get("min_value") if exact is None else exact
        longest = statistics.get("max_value") if exact is None else exact
        if shortest is not None:
            yield Check("min_length", shortest)
        if longest is not None:
            yield Check("max_length", longest)
    else:
        raise ContractError(
            f"column '{column}' has the check '{check.name}', which cannot be stored with a "
            f"model; use one of: {', '.join([*_RULES, 'in_range', 'str_length'])}"
        )


def _pattern_text(column: str, pattern: re.Pattern[str]) -> str:
    if pattern.flags != re.compile("").flags:
        raise ContractError(
            f"column '{column}': the pattern of str_matches has flags, which JSON Schema does not "
            "support: write them out in the pattern"
        )
    return pattern.pattern
