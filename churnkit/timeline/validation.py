"""Whether a plan fits the tables it declares: names, columns and types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.core.predicate import Where
from churnkit.errors import RecipeError
from churnkit.timeline.aggregations import (
    Current,
    CurrentSum,
    DaysSince,
    Feature,
    OpenCount,
    Ratio,
    Share,
)
from churnkit.timeline.labels import (
    ActiveSubscription,
    ActiveWithin,
    ContractualChurn,
    InactivityChurn,
    RevenueContraction,
)
from churnkit.timeline.snapshots import Snapshots
from churnkit.timeline.source_tables import RESERVED, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from churnkit.timeline.source_tables import RawColumn
    from churnkit.timeline.timeline import Timeline

__all__ = [
    "referenced",
    "refuse_what_does_not_fit",
    "refuse_wrong_names",
    "used_columns",
    "used_tables",
]

_ORDERED = ("<", "<=", ">", ">=")
_SHOWN = 12


def refuse_wrong_names(plan: Timeline) -> None:
    """Refuse parts that are none, and names used twice or taken.

    Raises
    ------
    RecipeError
        Names the part and the mend.
    """
    if not plan.tables or not all(isinstance(table, Table) for table in plan.tables):
        raise RecipeError("timeline: give tables: Table('events', 'customer_id', happened='at')")
    dates: Any = plan.snapshots
    if not isinstance(dates, Snapshots):
        raise RecipeError("timeline: give snapshots=Snapshots(every='1 month', start=..., end=...)")
    eligible: Any = plan.eligible
    if not isinstance(eligible, (ActiveSubscription, ActiveWithin)):
        raise RecipeError("timeline: give eligible=ActiveSubscription(...) or ActiveWithin(...)")
    labels = (ContractualChurn, InactivityChurn, RevenueContraction)
    label: Any = plan.label
    if label is not None and not isinstance(label, labels):
        names = ", ".join(kind.__name__ for kind in labels)
        raise RecipeError(f"timeline: the label is one of: {names}")
    if not plan.features:
        raise RecipeError("timeline: give at least one feature")
    features: dict[Any, Any] = dict(plan.features)
    for name, feature in features.items():
        if not isinstance(feature, Feature):
            raise RecipeError(f"feature '{name}': give one such as Count('events', window_days=30)")
        if not name or not isinstance(name, str) or name.lower().startswith(RESERVED):
            raise RecipeError(
                f"feature '{name}': a name is text that does not begin with {RESERVED}"
            )
    _refuse_twice("table", [table.name for table in plan.tables])


def refuse_what_does_not_fit(plan: Timeline) -> None:
    """Refuse tables and columns that are not declared, or of the wrong type.

    Raises
    ------
    RecipeError
        Names the feature, the table, the column and the mend.
    """
    _refuse_twice("column", list(plan.column_names))
    for name, feature in plan.features.items():
        _feature(f"feature '{name}'", plan, feature)
    _part("eligible", plan, plan.eligible, lasting=isinstance(plan.eligible, ActiveSubscription))
    if plan.label is not None:
        _part("label", plan, plan.label, lasting=not isinstance(plan.label, InactivityChurn))
        if isinstance(plan.label, RevenueContraction):
            _column("label", plan.table(plan.label.table), plan.label.column, CurrentSum.reads)


def _refuse_twice(what: str, names: list[str]) -> None:
    # SQL does not tell names apart by case.
    lower = [name.lower() for name in names]
    twice = sorted({name for name in names if lower.count(name.lower()) > 1})
    if twice:
        raise RecipeError(f"timeline: more than one {what} is called '{twice[0]}'; rename one")


def _feature(said: str, plan: Timeline, feature: Feature) -> None:
    if isinstance(feature, Ratio):
        for part in (feature.over, feature.under):
            _feature(said, plan, part)
            if plan.feature_type(part) not in CurrentSum.reads:
                raise RecipeError(f"{said}: a ratio is of numbers, not of text")
        return
    _part(said, plan, feature, lasting=isinstance(feature, (CurrentSum, OpenCount)))
    read: Any = feature
    table = plan.table(read.table)
    if feature.reads and getattr(feature, "column", None) is not None:
        column = _column(said, table, read.column, feature.reads)
        if isinstance(feature, (Current, DaysSince)) and column.name in table.times:
            _refuse_unknown_end(said, table, column)
        if isinstance(feature, Share):
            _condition(said, table, Where(read.column, "==", feature.value))


def _refuse_unknown_end(said: str, table: Table, column: RawColumn) -> None:
    if column.name == table.ended:
        raise RecipeError(
            f"{said}: table '{table.name}': column '{column.name}' is its end, which is not known "
            "while it runs"
        )


def _part(said: str, plan: Timeline, part: Any, *, lasting: bool) -> None:
    table = plan.table(part.table)
    if lasting and table.ended is None:
        raise RecipeError(
            f"{said}: table '{table.name}' does not say when its rows end; declare "
            "Table(..., ended='...')"
        )
    for condition in part.conditions:
        _condition(said, table, condition)


def _column(said: str, table: Table, name: str, types: tuple[str, ...]) -> RawColumn:
    try:
        column = table[name]
    except RecipeError as error:
        raise RecipeError(f"{said}: {error}") from None
    if name in table.known_at_end:
        raise RecipeError(
            f"{said}: table '{table.name}': column '{name}' is known only once the row has ended; "
            f"read it from a table of the ends: Table('{table.name}_ended', "
            f"source='{table.source}', happened='{table.ended}', ...)"
        )
    if column.type not in types:
        raise RecipeError(
            f"{said}: table '{table.name}': column '{name}' is of type {column.type}; "
            f"choose one of type {' or '.join(types)}"
        )
    return column


def _condition(said: str, table: Table, condition: Where) -> None:
    column = _column(
        said, table, condition.column, ("integer", "number", "boolean", "string", "datetime")
    )
    said = f"{said}: table '{table.name}': column '{column.name}'"
    if condition.column == table.ended:
        raise RecipeError(f"{said} is its end, which is not known while it runs; leave it out")
    if condition.op in {"is missing", "is known"}:
        return
    if column.type == "datetime":
        raise RecipeError(f"{said} is a time; only 'is missing' and 'is known' apply")
    if condition.op in _ORDERED and column.type in {"string", "boolean"}:
        raise RecipeError(f"{said} is of type {column.type} and has no order; use == or in")
    for value in condition.values:
        _value(said, column, value)


def _value(said: str, column: RawColumn, value: Any) -> None:
    kinds: dict[str, tuple[type, ...]] = {"string": (str,), "boolean": (bool,)}
    if type(value) not in kinds.get(column.type, (int, float)):
        raise RecipeError(
            f"{said} is of type {column.type} and is compared with {type(value).__name__}"
        )
    if column.categories and value not in column.categories:
        shown = ", ".join(map(repr, column.categories[:_SHOWN]))
        raise RecipeError(f"{said} has no category {value!r}; it has: {shown}")


def referenced(parts: Iterable[Any]) -> list[Any]:
    """List features and other parts, with ratios taken apart."""
    found: list[Any] = []
    for part in parts:
        found += referenced((part.over, part.under)) if isinstance(part, Ratio) else [part]
    return found


def used_columns(plan: Timeline, table: Table) -> tuple[str, ...]:
    """List the declared columns of a table that the plan reads, beside its customer and times."""
    parts: list[Any] = [*referenced(plan.features.values()), plan.eligible]
    parts += [plan.label] if plan.label else []
    own = [part for part in parts if part.table == table.name]
    used = {part.column for part in own if getattr(part, "column", None)}
    used |= {condition.column for part in own for condition in part.conditions}
    return tuple(column.name for column in table.raw_columns if column.name in used)


def used_tables(plan: Timeline) -> set[str]:
    """Name the declared tables that the plan reads."""
    parts: list[Any] = [*referenced(plan.features.values()), plan.eligible]
    return {part.table for part in [*parts, *([plan.label] if plan.label else [])]}
