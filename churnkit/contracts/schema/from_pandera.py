"""From a pandera model to a contract."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandera.pandas as pa
from pandera import dtypes

from churnkit.contracts.contract import Contract
from churnkit.contracts.schema.column import Check, Column, ColumnType
from churnkit.contracts.schema.role_names import METADATA_KEY
from churnkit.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["compile_schema"]

_ROLES_WITH_LEVELS = ("feature", "value", "cost", "context")
_ONE_VALUE = {
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


def compile_schema(schema: Any) -> Contract:
    """Compile a pandera ``DataFrameModel`` or ``DataFrameSchema`` to a `Contract`.

    Raises
    ------
    ContractError
        If a field has no role, or a type or check that cannot travel in an artefact.
    """
    name = getattr(schema, "__name__", None) or getattr(schema, "name", None) or "table"
    frame_schema = schema if isinstance(schema, pa.DataFrameSchema) else schema.to_schema()
    columns = tuple(
        _compile_column(str(column_name), column)
        for column_name, column in frame_schema.columns.items()
    )
    contract = Contract(name=str(name).lower(), columns=columns)
    _refuse_whole_table_rules(contract, frame_schema)
    return contract


def _refuse_whole_table_rules(contract: Contract, frame_schema: Any) -> None:
    """Refuse what a contract would leave out in silence."""
    where = f"contract '{contract.name}'"
    if frame_schema.checks:
        raise ContractError(
            f"{where} checks whole rows (@dataframe_check), which cannot travel in an artefact: "
            "check single columns, or derive a column that can be checked"
        )
    if frame_schema.index is not None:
        raise ContractError(f"{where} has an index, which tables elsewhere lack: make it a column")
    unique = frame_schema.unique or []
    keys = {column.name for column in contract.columns if column.has_role("entity", "as_of")}
    if set([unique] if isinstance(unique, str) else unique) - keys:
        raise ContractError(
            f"{where} asks for unique rows by {unique}: only the customer (and the date) is "
            "checked, and always"
        )


def _compile_column(name: str, column: Any) -> Column:
    metadata = (column.metadata or {}).get(METADATA_KEY)
    if not metadata:
        raise ContractError(
            f"column '{name}' has no role: declare it with entity(), feature(), label(), "
            "value(), pii() or ignore() from churnkit.contracts"
        )
    roles = tuple(metadata["roles"])
    _refuse_column_rules(name, column, roles)
    kind = _column_type(name, column.dtype)
    checks = tuple(check for raw in column.checks for check in _compile_check(name, raw))
    categories = _categories(kind, checks)
    encoded = any(role in _ROLES_WITH_LEVELS for role in roles)
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
        levels=categories if encoded else None,
        unknown=metadata.get("unknown") or ("refuse" if categories is not None else "missing"),
        positive=metadata.get("positive"),
        written=metadata.get("written"),
        missing=tuple(metadata.get("missing") or ()),
    )


def _categories(kind: ColumnType, checks: tuple[Check, ...]) -> tuple[str, ...] | None:
    """Return the texts that the checks list, in the order in which the schema lists them."""
    listed = [check.value for check in checks if check.rule == "isin"]
    if kind != "string" or not listed:
        return None
    return tuple(value for value in listed[0] if all(check.holds(value) for check in checks))


def _refuse_column_rules(name: str, column: Any, roles: tuple[str, ...]) -> None:
    """Refuse what a contract would leave out in silence."""
    if column.unique and "entity" not in roles:
        raise ContractError(
            f"column '{name}' is unique=True: only the customer's id is checked for that"
        )
    if not column.required:
        raise ContractError(
            f"column '{name}' is optional: a model needs all its columns; declare it "
            "nullable=True and send missing values"
        )
    if column.regex:
        raise ContractError(f"column '{name}' is a pattern of names (regex=True): name each column")


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
        f"column '{name}' has type {dtype}, which a contract cannot hold: "
        "use int, float, bool, str or a datetime"
    )


def _compile_check(column: str, check: Any) -> Iterator[Check]:
    statistics = dict(check.statistics or {})
    if check.raise_warning or not check.ignore_na:
        raise ContractError(
            f"column '{column}': the check '{check.name}' only warns or looks at missing values: "
            "a contract refuses, and says nullable for missing values"
        )
    if check.name in _ONE_VALUE:
        rule, key = _ONE_VALUE[check.name]
        given = statistics[key]
        if isinstance(given, re.Pattern):
            given = _bare_pattern(column, given)
        yield Check(rule, given)
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
        known = ", ".join([*_ONE_VALUE, "in_range", "str_length"])
        raise ContractError(
            f"column '{column}' has the check '{check.name}', which cannot travel in an "
            f"artefact; use one of: {known}"
        )


def _bare_pattern(column: str, pattern: re.Pattern[str]) -> str:
    if pattern.flags != re.compile("").flags:
        raise ContractError(
            f"column '{column}': the pattern of str_matches has flags, which JSON Schema does not "
            "know: write them out in the pattern"
        )
    return pattern.pattern
