"""A raw table as the timeline reads it: whose rows, when they happened, when they were known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from churnkit.errors import RecipeError

__all__ = ["RawColumn", "Table", "did_you_mean"]

_TYPES = ("integer", "number", "boolean", "string", "datetime")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Names that the SQL gives to its own columns and steps.
RESERVED = "ck_"


def did_you_mean(name: str, known: Any) -> str:
    """Name what is there, the nearest first.

    Examples
    --------
    >>> did_you_mean("amonut", ["minutes", "amount"])
    "did you mean 'amount'? There are: amount, minutes"
    """
    names = sorted(str(one) for one in known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}There are: {', '.join(names) or 'none'}"


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column of a raw table: its type and, for text, the categories it may hold.

    Examples
    --------
    >>> RawColumn("plan", "string", ("basic", "plus")).categories
    ('basic', 'plus')
    """

    name: str
    type: str
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.type not in _TYPES:
            raise RecipeError(
                f"column '{self.name}': type '{self.type}' is none of {', '.join(_TYPES)}"
            )
        if self.name.lower().startswith(RESERVED):
            raise RecipeError(
                f"column '{self.name}': names that begin with {RESERVED} are taken; rename it"
            )
        object.__setattr__(self, "categories", tuple(self.categories))


@dataclass(frozen=True, slots=True)
class Table:
    """One raw table: a row is what happened to one customer at one time.

    Parameters
    ----------
    name
        What features call it.
    entity
        The column that names the customer; rows without one belong to nobody and are left out.
    happened
        The column with the time at which it happened, or began; rows without one have not
        happened and are left out.
    available
        The column with the time at which it was known, where that can be later. Features see a
        row at the later of both times.
    ended
        For what lasts: the column with the time at which it ended, missing while it runs. An
        end at or after a snapshot's date is not seen there.
    columns
        The columns that features may read: names and types (``integer, number, boolean,
        string, datetime``).
    known_at_end
        Columns that are filled in when the row ends, such as why it did; features of this table
        may not read them. Read the ends as a table of their own: the same `source` with
        ``happened="ended_at"``.
    key
        Columns that name a row; two rows for one key are refused.
    time_zone
        Of times without an offset.
    source
        The table's name among those given to `build`, if it is another than `name`: one table
        can be read along two times, such as surveys by when they were sent and answered.

    Raises
    ------
    RecipeError
        If a name, a type or the time zone is unknown.

    Examples
    --------
    >>> events = Table("events", "customer_id", happened="occurred_at", columns={"amount": "number"})
    >>> events["amount"].type
    'number'
    """

    name: str
    entity: str
    happened: str
    available: str | None = None
    ended: str | None = None
    columns: Mapping[str, str | RawColumn] | Sequence[RawColumn] = ()
    known_at_end: str | Sequence[str] = ()
    key: str | Sequence[str] = ()
    time_zone: str = "UTC"
    source: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.lower().startswith(RESERVED):
            raise RecipeError(
                f"table '{self.name}': a name is letters, digits and _, begins with a letter and "
                f"not with {RESERVED}"
            )
        columns: Any = self.columns
        if isinstance(columns, Mapping):
            columns = tuple(
                kind if isinstance(kind, RawColumn) else RawColumn(name, kind)
                for name, kind in columns.items()
            )
        object.__setattr__(self, "columns", tuple(columns))
        for listed in ("key", "known_at_end"):
            names: Any = getattr(self, listed)
            object.__setattr__(self, listed, (names,) if isinstance(names, str) else tuple(names))
        object.__setattr__(self, "source", self.source or self.name)
        declared = [column.name for column in self.raw_columns]
        twice = sorted({name for name in declared if declared.count(name) > 1})
        if twice:
            raise RecipeError(f"table '{self.name}' declares column '{twice[0]}' twice; drop one")
        _known_zone(self.name, self.time_zone)

    def __getitem__(self, column: str) -> RawColumn:
        for known in self.raw_columns:
            if known.name == column:
                return known
        raise RecipeError(
            f"table '{self.name}' declares no column '{column}'; "
            f"{did_you_mean(column, [known.name for known in self.raw_columns])}"
        )

    @property
    def raw_columns(self) -> tuple[RawColumn, ...]:
        """The declared columns."""
        columns: Any = self.columns
        return tuple(columns)

    @property
    def times(self) -> tuple[str, ...]:
        """The columns with its times."""
        return tuple(name for name in (self.happened, self.available, self.ended) if name)

    @classmethod
    def from_schema(
        cls,
        schema: Any,
        *,
        happened: str,
        ended: str | None = None,
        name: str = "",
        source: str = "",
        known_at_end: Any = (),
        key: Any = (),
        time_zone: str = "UTC",
    ) -> Table:
        """Declare a table by its schema: a pandera model with roles, or its contract.

        The entity and the time at which rows are known (``as_of``) come from the roles;
        personal data (``pii``) cannot be read.

        Examples
        --------
        >>> from churnkit.contracts import Column, Contract
        >>> visits = Contract(
        ...     "visits",
        ...     (
        ...         Column("member", "string", ("entity",)),
        ...         Column("at", "datetime", ("ignore",)),
        ...         Column("known_at", "datetime", ("as_of",)),
        ...     ),
        ... )
        >>> Table.from_schema(visits, happened="at").available
        'known_at'
        """
        from churnkit.contracts import Contract

        contract = schema if isinstance(schema, Contract) else Contract.from_schema(schema)
        own = {contract.entity.name}
        columns = tuple(
            RawColumn(column.name, column.type, column.levels or ())
            for column in contract.columns
            if column.name not in own and not column.has_role("pii")
        )
        for time in (happened, ended):
            if time is not None and time not in contract:
                raise RecipeError(
                    f"table '{name or contract.name}': its schema has no column '{time}'; "
                    f"{did_you_mean(time, [column.name for column in contract.columns])}"
                )
        known = contract.as_of
        return cls(
            name=name or contract.name,
            entity=contract.entity.name,
            happened=happened,
            available=known.name if known and known.name != happened else None,
            ended=ended,
            columns=columns,
            known_at_end=known_at_end,
            key=key,
            time_zone=time_zone,
            source=source or contract.name,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON-able data; `from_dict` is its inverse."""
        return {
            "name": self.name,
            "entity": self.entity,
            "happened": self.happened,
            "available": self.available,
            "ended": self.ended,
            "columns": [
                {"name": one.name, "type": one.type, "categories": list(one.categories)}
                for one in self.raw_columns
            ],
            "known_at_end": list(self.known_at_end),
            "key": list(self.key),
            "time_zone": self.time_zone,
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Table:
        """Rebuild a table from `to_dict`."""
        columns = tuple(
            RawColumn(one["name"], one["type"], tuple(one["categories"])) for one in data["columns"]
        )
        return cls(**{**data, "columns": columns})


def _known_zone(table: str, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RecipeError(
            f"table '{table}': there is no time zone '{zone}'; give a name of the IANA list, such "
            "as UTC or Europe/Berlin"
        ) from None
