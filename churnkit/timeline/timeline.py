"""A timeline: source tables, snapshot dates, eligible customers, features and label."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from churnkit.errors import RecipeError
from churnkit.timeline.feature_parts import (
    Ratio,
    Related,
    base_features,
    feature_from_dict,
    read_parts,
)
from churnkit.timeline.labels import (
    ActiveWithin,
    Eligibility,
    Label,
    label_cause,
    rule_from_dict,
    rule_to_dict,
)
from churnkit.timeline.snapshots import Snapshots
from churnkit.timeline.source_tables import Table
from churnkit.timeline.validation import (
    check_duplicates,
    check_parts,
    check_references,
    feature_type,
    find_table,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.timeline.features.base import Feature

__all__ = ["TIMELINE_FORMAT", "Timeline"]

TIMELINE_FORMAT = 1


@dataclass(frozen=True)
class Timeline:
    """Declared features over source tables, one row per customer and date.

    Parameters
    ----------
    tables
        The source tables.
    features
        Features by name, in the order of the result's columns.
    snapshots
        The dates.
    eligible
        Rule that decides which customers have a row at a date.
    label
        The prediction target; None for a table without one, as for scoring.
    entity
        Name of the customer column in the result; by default its name in the eligible table.
    as_of
        Name of the date column in the result.
    label_name
        Name of the label column in the result.
    cause_name
        Name of the column with the cause of churn in the result, if the label has a `cause`.

    Raises
    ------
    RecipeError
        If a table or column is not declared or has the wrong type, or a name is used twice.

    Examples
    --------
    >>> from churnkit.timeline import ActiveWithin, Count, InactivityChurn, Recency, Snapshots, Table
    >>> timeline = Timeline(
    ...     tables=[Table("orders", "buyer", happened="ordered_at")],
    ...     features={
    ...         "orders_90d": Count("orders", window_days=90),
    ...         "days_since_order": Recency("orders"),
    ...     },
    ...     snapshots=Snapshots(every="1 month", start="2025-01-01", end="2025-03-01"),
    ...     eligible=ActiveWithin("orders", days=180),
    ...     label=InactivityChurn("orders", horizon_days=90),
    ... )
    >>> timeline.column_names
    ('buyer', 'as_of', 'orders_90d', 'days_since_order', 'churned')
    >>> Timeline.from_json(timeline.to_json()) == timeline
    True
    """

    tables: Sequence[Table]
    features: Mapping[str, Feature]
    snapshots: Snapshots
    eligible: Eligibility
    label: Label | None = None
    entity: str = ""
    as_of: str = "as_of"
    label_name: str = "churned"
    cause_name: str = "cause"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", tuple(self.tables))
        object.__setattr__(self, "features", dict(self.features))
        check_parts(self.tables, self.features, self.snapshots, self.eligible, self.label)
        if not self.entity:
            object.__setattr__(self, "entity", self.table(self.eligible.table).entity)
        check_duplicates("column", self.column_names)
        check_references(self.tables, self.features, self.eligible, self.label)

    def table(self, name: str) -> Table:
        """Return a table by its name.

        Raises
        ------
        RecipeError
            If no table has the name.
        """
        return find_table(self.tables, name)

    @property
    def used_tables(self) -> set[str]:
        """The names of the tables that features, eligibility and label read."""
        return {part.table for part in self._parts}

    def used_columns(self, table: Table) -> tuple[str, ...]:
        """List the declared columns of a table that are read, apart from its id and timestamps."""
        parts = [part for part in self._parts if part.table == table.name]
        used = {getattr(part, "column", None) for part in parts}
        used |= {condition.column for part in parts for condition in part.conditions}
        used |= {cause.column for cause in map(label_cause, parts) if cause}
        return tuple(column.name for column in table.raw_columns if column.name in used)

    @property
    def key_types(self) -> dict[str, str]:
        """Type of the key by table, for tables whose entity is the key of a related feature."""
        return {
            inner.table: self.table(base.table)[base.key].type
            for base in base_features(self.features.values())
            if isinstance(base, Related)
            for inner in base_features([base.feature])
            if self.table(inner.table).entity == base.key
        }

    @property
    def _parts(self) -> list[Any]:
        rules: list[Any] = [self.eligible, *([self.label] if self.label else [])]
        if isinstance(self.eligible, ActiveWithin) and self.eligible.unless:
            rules.append(self.eligible.unless)
        return [*read_parts(self.features.values()), *rules]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of the result, in order."""
        label = (self.label_name,) if self.label else ()
        cause = (self.cause_name,) if label_cause(self.label) else ()
        return (self.entity, self.as_of, *self.features, *label, *cause)

    @property
    def column_types(self) -> dict[str, str]:
        """The contract types of the result's columns, except the entity.

        Examples
        --------
        >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table
        >>> Timeline(
        ...     [Table("orders", "buyer", happened="at")],
        ...     {"orders_30d": Count("orders", window_days=30)},
        ...     Snapshots(dates=("2025-01-01",)),
        ...     ActiveWithin("orders", days=90),
        ... ).column_types
        {'as_of': 'datetime', 'orders_30d': 'integer'}
        """
        types = {self.as_of: "datetime"}
        types |= {
            name: feature_type(self.tables, feature) for name, feature in self.features.items()
        }
        types |= {self.label_name: "boolean"} if self.label else {}
        return types | ({self.cause_name: "string"} if label_cause(self.label) else {})

    @property
    def feature_tables(self) -> dict[str, str]:
        """The source table of each feature; for a ratio that of its numerator.

        Examples
        --------
        >>> from churnkit.timeline import ActiveWithin, Count, Ratio, Snapshots, Table
        >>> week, month = Count("orders", window_days=7), Count("orders", window_days=30)
        >>> Timeline(
        ...     [Table("orders", "buyer", happened="at")],
        ...     {"week": week, "speed": Ratio(week, month)},
        ...     Snapshots(dates=("2025-01-01",)),
        ...     ActiveWithin("orders", days=90),
        ... ).feature_tables
        {'week': 'orders', 'speed': 'orders'}
        """
        numerators: dict[str, Any] = {
            name: feature.over if isinstance(feature, Ratio) else feature
            for name, feature in self.features.items()
        }
        return {name: feature.table for name, feature in numerators.items()}

    def feature_type(self, feature: Feature) -> str:
        """Return the contract type of a feature."""
        return feature_type(self.tables, feature)

    def at(self, *dates: Any) -> Timeline:
        """Return the timeline at other dates and without a label, for scoring.

        Examples
        --------
        >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table
        >>> timeline = Timeline(
        ...     [Table("orders", "buyer", happened="at")],
        ...     {"orders_30d": Count("orders", window_days=30)},
        ...     Snapshots(dates=("2025-01-01",)),
        ...     ActiveWithin("orders", days=90),
        ... )
        >>> timeline.at("2025-06-01").snapshots.dates
        ('2025-06-01T00:00:00+00:00',)
        """
        return replace(self, snapshots=Snapshots(dates=dates), label=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the timeline as JSON-serializable data; `from_dict` is its inverse."""
        return {
            "format": TIMELINE_FORMAT,
            "tables": [table.to_dict() for table in self.tables],
            "features": {name: feature.to_dict() for name, feature in self.features.items()},
            "snapshots": self.snapshots.to_dict(),
            "eligible": rule_to_dict(self.eligible),
            "label": rule_to_dict(self.label) if self.label else None,
            "entity": self.entity,
            "as_of": self.as_of,
            "label_name": self.label_name,
            **({} if self.cause_name == "cause" else {"cause_name": self.cause_name}),
        }

    def to_json(self) -> str:
        """Return the timeline as JSON text; equal timelines have equal text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Timeline:
        """Create a timeline from the result of `to_dict`.

        Raises
        ------
        RecipeError
            If the data have a newer format or are not a timeline.
        """
        stored = dict(data)
        version = stored.pop("format", None)
        if version != TIMELINE_FORMAT or isinstance(version, bool):
            raise RecipeError(
                f"the timeline has format {version!r:.40}, this version of churnkit reads format "
                f"{TIMELINE_FORMAT}: upgrade churnkit"
            )
        try:
            features = {
                name: feature_from_dict(feature) for name, feature in stored["features"].items()
            }
            parts = {
                "tables": tuple(Table.from_dict(table) for table in stored["tables"]),
                "features": features,
                "snapshots": Snapshots.from_dict(stored["snapshots"]),
                "eligible": rule_from_dict(stored["eligible"]),
                "label": rule_from_dict(stored["label"]) if stored["label"] else None,
            }
            return cls(**(stored | parts))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecipeError(f"not a timeline: {type(error).__name__}: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Timeline:
        """Create a timeline from the result of `to_json`."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError, TypeError) as error:
            raise RecipeError(f"not a timeline: invalid JSON: {error}") from error
        if not isinstance(data, dict):
            raise RecipeError("not a timeline: expected a JSON object")
        return cls.from_dict(data)
