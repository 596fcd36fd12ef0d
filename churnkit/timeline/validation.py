"""Check the parts of a timeline: names, tables, columns and types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.predicate import Where
from churnkit.errors import RecipeError
from churnkit.timeline.feature_parts import Ratio, Related, base_features
from churnkit.timeline.features.aggregations import Count, Last, Mean, Share, Sum, Trend
from churnkit.timeline.features.base import Feature
from churnkit.timeline.features.states import Current, CurrentSum, DaysSince, OpenCount
from churnkit.timeline.labels import (
    ActiveSubscription,
    ActiveWithin,
    ContractualChurn,
    EventChurn,
    InactivityChurn,
    ObservedChurn,
    RevenueContraction,
    label_cause,
)
from churnkit.timeline.snapshots import Snapshots
from churnkit.timeline.source_tables import RESERVED, Table, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.timeline.source_tables import RawColumn

__all__ = ["check_duplicates", "check_parts", "check_references", "feature_type", "find_table"]

_ORDERED = ("<", "<=", ">", ">=")
_MAX_DISPLAYED = 12
# Features of a key from which those of one customer can be subtracted.
_ADDITIVE = (Count, Sum, Mean, Share, Trend)
_ADDITIVE_NAMES = ", ".join(kind.__name__ for kind in _ADDITIVE)


def find_table(tables: Sequence[Table], name: str) -> Table:
    """Return a table by its name.

    Raises
    ------
    RecipeError
        If no table has the name.
    """
    by_name = {table.name: table for table in tables}
    if name not in by_name:
        raise RecipeError(f"table '{name}' is not declared; {did_you_mean(name, by_name)}")
    return by_name[name]


def feature_type(tables: Sequence[Table], feature: Feature) -> str:
    """Return the contract type of a feature."""
    if feature.result_type:
        return feature.result_type
    base: Any = feature
    return find_table(tables, base.table)[base.column].type


def check_parts(tables: Any, features: Any, snapshots: Any, eligible: Any, label: Any) -> None:
    """Check the types of a timeline's parts, and the names of features and tables.

    Raises
    ------
    RecipeError
        Names the part and the correction.
    """
    if not tables or not all(isinstance(table, Table) for table in tables):
        raise RecipeError(
            "timeline: pass tables, such as Table('events', 'customer', happened='at')"
        )
    if not isinstance(snapshots, Snapshots):
        raise RecipeError("timeline: pass snapshots=Snapshots(every='1 month', start=..., end=...)")
    if not isinstance(eligible, (ActiveSubscription, ActiveWithin)):
        raise RecipeError("timeline: pass eligible=ActiveSubscription(...) or ActiveWithin(...)")
    labels = (ContractualChurn, InactivityChurn, RevenueContraction, EventChurn, ObservedChurn)
    if label is not None and not isinstance(label, labels):
        names = ", ".join(kind.__name__ for kind in labels)
        raise RecipeError(f"timeline: the label must be one of: {names}")
    if not features:
        raise RecipeError("timeline: pass at least one feature")
    for name, feature in features.items():
        if not isinstance(feature, Feature):
            raise RecipeError(
                f"feature '{name}': pass a feature such as Count('events', window_days=30)"
            )
        if not name or not isinstance(name, str) or name.lower().startswith(RESERVED):
            raise RecipeError(
                f"feature '{name}': a name must be text that does not start with {RESERVED}"
            )
    check_duplicates("table", [table.name for table in tables])


def check_duplicates(kind: str, names: Sequence[str]) -> None:
    """Refuse names that differ in case only, since SQL ignores case.

    Raises
    ------
    RecipeError
        Names the first duplicate.
    """
    lower = [name.lower() for name in names]
    duplicates = sorted({name for name in names if lower.count(name.lower()) > 1})
    if duplicates:
        raise RecipeError(f"timeline: more than one {kind} is named '{duplicates[0]}'; rename one")


def check_references(
    tables: Sequence[Table], features: Mapping[str, Feature], eligible: Any, label: Any
) -> None:
    """Check that the tables and columns of a timeline are declared, with types that fit.

    Raises
    ------
    RecipeError
        Names the feature, the table, the column and the correction.
    """
    for name, feature in features.items():
        _check_feature(f"feature '{name}'", tables, feature)
    _check_part("eligible", tables, eligible, needs_end=isinstance(eligible, ActiveSubscription))
    _check_time("eligible", tables, eligible)
    if isinstance(eligible, ActiveWithin) and eligible.unless:
        _check_part("eligible", tables, eligible.unless, needs_end=False)
        _check_time("eligible", tables, eligible.unless)
    if label is not None:
        ends = isinstance(label, (ContractualChurn, RevenueContraction))
        _check_part("label", tables, label, needs_end=ends)
        if not isinstance(label, ObservedChurn) or label.dated:
            _check_time("label", tables, label)
        if isinstance(label, RevenueContraction):
            table = find_table(tables, label.table)
            _check_column("label", table, label.column, CurrentSum.column_types)
        _check_cause(tables, label)


def _check_cause(tables: Sequence[Table], label: Any) -> None:
    cause = label_cause(label)
    if cause is None:
        return
    # A reason that is known only once the row has ended is no leak in a label.
    table = find_table(tables, label.table)
    try:
        kind = table[cause.column].type
    except RecipeError as error:
        raise RecipeError(f"label: cause: {error}") from None
    if kind != "string":
        raise RecipeError(
            f"label: cause: table '{table.name}': column '{cause.column}' has type {kind}; choose a "
            "column of type string"
        )


def _check_feature(where: str, tables: Sequence[Table], feature: Feature) -> None:
    if isinstance(feature, Ratio):
        for part in (feature.over, feature.under):
            _check_feature(where, tables, part)
            if feature_type(tables, part) not in CurrentSum.column_types:
                raise RecipeError(f"{where}: a ratio needs two numbers")
        return
    _check_part(where, tables, feature, needs_end=isinstance(feature, (CurrentSum, OpenCount)))
    base: Any = feature
    table = find_table(tables, base.table)
    if not isinstance(feature, (Current, Last, Related)):
        _check_time(where, tables, feature)
    elif table.happened is None and getattr(feature, "window_days", None) is not None:
        raise RecipeError(
            f"{where}: table '{table.name}' has no time, so that its rows lie in no window; remove "
            "window_days"
        )
    if feature.column_types and getattr(feature, "column", None) is not None:
        column = _check_column(where, table, base.column, feature.column_types)
        if isinstance(feature, (Current, DaysSince)) and column.name == table.ended:
            raise RecipeError(
                f"{where}: table '{table.name}': column '{column.name}' is the end of the row, "
                "which is not known while the row is active"
            )
        if isinstance(feature, Related):
            _check_related(where, tables, feature, column)
        if isinstance(feature, Share):
            _check_condition(where, table, Where(base.column, "==", feature.value))


def _check_related(where: str, tables: Sequence[Table], feature: Related, key: RawColumn) -> None:
    """Check the feature of a key and the tables that it reads."""
    _check_feature(where, tables, feature.feature)
    for base in base_features([feature.feature]):
        table = find_table(tables, base.table)
        if table.entity == key.name:
            continue
        if not isinstance(base, _ADDITIVE):
            raise RecipeError(
                f"{where}: {type(base).__name__} of table '{table.name}' cannot leave out the "
                f"customer's own rows; use {_ADDITIVE_NAMES}, or a table whose entity is "
                f"'{key.name}'"
            )
        _check_column(f"{where}: related to table '{feature.table}'", table, key.name, (key.type,))


def _check_time(where: str, tables: Sequence[Table], part: Any) -> None:
    if find_table(tables, part.table).happened is None:
        raise RecipeError(
            f"{where}: table '{part.table}' has no time; name its column with "
            "Table(..., happened='...')"
        )


def _check_part(where: str, tables: Sequence[Table], part: Any, *, needs_end: bool) -> None:
    table = find_table(tables, part.table)
    if needs_end and table.ended is None:
        raise RecipeError(
            f"{where}: table '{table.name}' declares no end of its rows; add Table(..., ended='...')"
        )
    for condition in part.conditions:
        _check_condition(where, table, condition)


def _check_column(where: str, table: Table, name: str, types: tuple[str, ...]) -> RawColumn:
    try:
        column = table[name]
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}") from None
    if name in table.known_at_end:
        raise RecipeError(
            f"{where}: table '{table.name}': column '{name}' is known only once the row has ended; "
            f"read it from a table of ends: Table('{table.name}_ended', "
            f"source='{table.source}', happened='{table.ended}', ...)"
        )
    if types and column.type not in types:
        raise RecipeError(
            f"{where}: table '{table.name}': column '{name}' has type {column.type}; "
            f"choose a column of type {' or '.join(types)}"
        )
    return column


def _check_condition(where: str, table: Table, condition: Where) -> None:
    column = _check_column(where, table, condition.column, ())
    where = f"{where}: table '{table.name}': column '{column.name}'"
    if condition.column == table.ended:
        raise RecipeError(
            f"{where} is the end of the row, which is not known while the row is active; remove "
            "the condition"
        )
    if condition.op in {"is missing", "is known"}:
        return
    if column.type == "datetime":
        raise RecipeError(f"{where} is a time, which supports only 'is missing' and 'is known'")
    if condition.op in _ORDERED and column.type in {"string", "boolean"}:
        raise RecipeError(f"{where} has type {column.type}, which has no order; use == or in")
    for value in condition.values:
        _check_value(where, column, value)


def _check_value(where: str, column: RawColumn, value: Any) -> None:
    types: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,)}
    if type(value) not in types.get(column.type, (int, float)):
        raise RecipeError(
            f"{where} has type {column.type} but is compared with {type(value).__name__}"
        )
    if column.categories and value not in column.categories:
        names = ", ".join(map(repr, column.categories[:_MAX_DISPLAYED]))
        raise RecipeError(f"{where} has no category {value!r}; it has: {names}")
