"""The plan from raw tables to snapshots: tables, dates, who, features and label."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from churnkit.errors import RecipeError
from churnkit.timeline.aggregations import Feature, Ratio, feature_from_dict
from churnkit.timeline.labels import (
    Eligibility,
    Label,
    as_dict,
    eligibility_from_dict,
    label_from_dict,
)
from churnkit.timeline.snapshots import Snapshots
from churnkit.timeline.source_tables import Table, did_you_mean
from churnkit.timeline.validation import refuse_what_does_not_fit, refuse_wrong_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["TIMELINE_FORMAT", "Timeline"]

TIMELINE_FORMAT = 1


@dataclass(frozen=True)
class Timeline:
    """Declared features over raw tables, one row for each customer and date.

    Parameters
    ----------
    tables
        What is read.
    features
        Names and what they say; columns of the result, in this order.
    snapshots
        The dates.
    eligible
        Which customers have a row at a date.
    label
        What is predicted; None for a table without, as for scoring.
    entity
        What the result calls the customer's column; the eligible table's own name if not given.
    as_of
        What the result calls the column with the date.
    label_name
        What the result calls the label's column.

    Raises
    ------
    RecipeError
        If a table or column is not declared, has the wrong type, or a name is used twice.

    Examples
    --------
    >>> from churnkit.timeline import ActiveWithin, Count, InactivityChurn, Recency, Snapshots, Table
    >>> plan = Timeline(
    ...     tables=[Table("orders", "buyer", happened="ordered_at")],
    ...     features={
    ...         "orders_90d": Count("orders", window_days=90),
    ...         "days_since_order": Recency("orders"),
    ...     },
    ...     snapshots=Snapshots(every="1 month", start="2025-01-01", end="2025-03-01"),
    ...     eligible=ActiveWithin("orders", days=180),
    ...     label=InactivityChurn("orders", horizon_days=90),
    ... )
    >>> plan.column_names
    ('buyer', 'as_of', 'orders_90d', 'days_since_order', 'churned')
    >>> Timeline.from_json(plan.to_json()) == plan
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", tuple(self.tables))
        object.__setattr__(self, "features", dict(self.features))
        refuse_wrong_names(self)
        if not self.entity:
            object.__setattr__(self, "entity", self.table(self.eligible.table).entity)
        refuse_what_does_not_fit(self)

    def table(self, name: str) -> Table:
        """Return a table by its name.

        Raises
        ------
        RecipeError
            If no table has it.
        """
        for known in self.tables:
            if known.name == name:
                return known
        raise RecipeError(
            f"no table '{name}' is declared; {did_you_mean(name, [one.name for one in self.tables])}"
        )

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns of the result, in order."""
        label = (self.label_name,) if self.label else ()
        return (self.entity, self.as_of, *self.features, *label)

    @property
    def column_types(self) -> dict[str, str]:
        """The types of the result's columns, in a contract's words.

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
        types |= {name: self.feature_type(feature) for name, feature in self.features.items()}
        return types | ({self.label_name: "boolean"} if self.label else {})

    @property
    def tables_of_features(self) -> dict[str, str]:
        """The table that each feature comes from; of a ratio that of what is divided.

        Examples
        --------
        >>> from churnkit.timeline import ActiveWithin, Count, Ratio, Snapshots, Table
        >>> week, month = Count("orders", window_days=7), Count("orders", window_days=30)
        >>> Timeline(
        ...     [Table("orders", "buyer", happened="at")],
        ...     {"week": week, "speed": Ratio(week, month)},
        ...     Snapshots(dates=("2025-01-01",)),
        ...     ActiveWithin("orders", days=90),
        ... ).tables_of_features
        {'week': 'orders', 'speed': 'orders'}
        """
        found = {}
        for name, feature in self.features.items():
            read: Any = feature.over if isinstance(feature, Ratio) else feature
            found[name] = read.table
        return found

    def feature_type(self, feature: Feature) -> str:
        """Return the type that a feature becomes, in a contract's words."""
        if feature.gives:
            return feature.gives
        read: Any = feature
        return self.table(read.table)[read.column].type

    def at(self, *dates: Any) -> Timeline:
        """Return the same plan at other dates and without label, as scoring needs it.

        Examples
        --------
        >>> from churnkit.timeline import ActiveWithin, Count, Snapshots, Table
        >>> plan = Timeline(
        ...     [Table("orders", "buyer", happened="at")],
        ...     {"orders_30d": Count("orders", window_days=30)},
        ...     Snapshots(dates=("2025-01-01",)),
        ...     ActiveWithin("orders", days=90),
        ... )
        >>> plan.at("2025-06-01").snapshots.dates
        ('2025-06-01T00:00:00+00:00',)
        """
        return replace(self, snapshots=Snapshots(dates=dates), label=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON-able data; `from_dict` is its inverse."""
        return {
            "format": TIMELINE_FORMAT,
            "tables": [table.to_dict() for table in self.tables],
            "features": {name: feature.to_dict() for name, feature in self.features.items()},
            "snapshots": self.snapshots.to_dict(),
            "eligible": as_dict(self.eligible),
            "label": as_dict(self.label) if self.label else None,
            "entity": self.entity,
            "as_of": self.as_of,
            "label_name": self.label_name,
        }

    def to_json(self) -> str:
        """Return the plan as JSON text, the same text for the same plan."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Timeline:
        """Rebuild a plan from `to_dict`.

        Raises
        ------
        RecipeError
            If the data are of a newer format or no plan at all.
        """
        stored = dict(data)
        version = stored.pop("format", None)
        if version != TIMELINE_FORMAT or isinstance(version, bool):
            raise RecipeError(
                f"this timeline has format {version!r}, this churnkit reads {TIMELINE_FORMAT}: "
                "upgrade churnkit"
            )
        try:
            features = {
                name: feature_from_dict(feature) for name, feature in stored["features"].items()
            }
            parts = {
                "tables": tuple(Table.from_dict(table) for table in stored["tables"]),
                "features": features,
                "snapshots": Snapshots.from_dict(stored["snapshots"]),
                "eligible": eligibility_from_dict(stored["eligible"]),
                "label": label_from_dict(stored["label"]) if stored["label"] else None,
            }
            return cls(**(stored | parts))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecipeError(f"this is not a timeline: {type(error).__name__}: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Timeline:
        """Rebuild a plan from `to_json`."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError, TypeError) as error:
            raise RecipeError(f"a timeline is JSON, this text is not: {error}") from error
        if not isinstance(data, dict):
            raise RecipeError("a timeline is a JSON object, this is not one")
        return cls.from_dict(data)
