"""Source tables: customers, columns and timestamps of their rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from churnkit.errors import RecipeError

__all__ = [
    "NUMBER_FORMATS",
    "TEXT_FORMAT",
    "TIME_FORMATS",
    "Lookup",
    "RawColumn",
    "Table",
    "did_you_mean",
]

_TYPES = ("integer", "number", "boolean", "string", "datetime")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# Formats of columns whose texts are neither ISO 8601 times nor plain numbers.
TIME_FORMATS = (
    "DD/MM/YYYY",
    "MM/DD/YYYY",
    "DD Mon YYYY",
    "YYYYMMDD",
    "YYMMDD",
    "YYYYMM",
    "MM/YYYY",
    "Excel serial",
    "epoch seconds",
    "epoch milliseconds",
    "epoch microseconds",
)
NUMBER_FORMATS = ("1,234.5", "1.234,5")
# Format of ids that are text in one table and numbers in another.
TEXT_FORMAT = "text"
# Prefix of the columns and steps that the SQL adds.
RESERVED = "ck_"
# A number, the start of a date, a time or an e-mail address.
_VALUE = re.compile(
    r"\s*(?:[+-]?[\d.,]+|\d{2,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|\d{1,2}:\d{2}.*|\S+@\S+)\s*"
)


def did_you_mean(name: str, available: Iterable[Any]) -> str:
    """List the available names, and the one closest to a misspelled name first.

    Names are not listed if some of them are numbers, dates or e-mail addresses: in a file without
    a header they are the values of a customer.

    Examples
    --------
    >>> did_you_mean("amonut", ["minutes", "amount"])
    "did you mean 'amount'? Available: amount, minutes"
    >>> did_you_mean("amount", ["C0017", "2025-01-31", "12.5"])
    'the first row looks like data: add a header with the names of the columns'
    """
    names = sorted(map(str, available))
    if any(map(_VALUE.fullmatch, names)):
        return "the first row looks like data: add a header with the names of the columns"
    closest = get_close_matches(name, names, n=1)
    hint = f"did you mean '{closest[0]}'? " if closest else ""
    return f"{hint}Available: {', '.join(names) or 'none'}"


@dataclass(frozen=True, slots=True)
class RawColumn:
    """A column of a source table: its type and, for text, its categories.

    Parameters
    ----------
    name
        Name of the column.
    type
        ``integer``, ``number``, ``boolean``, ``string`` or ``datetime``.
    categories
        Categories of a text column; empty if they are not restricted.

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
                f"column '{self.name}': unknown type '{self.type}'; use one of: {', '.join(_TYPES)}"
            )
        if self.name.lower().startswith(RESERVED):
            raise RecipeError(
                f"column '{self.name}': names that start with {RESERVED} are reserved; rename it"
            )
        object.__setattr__(self, "categories", tuple(self.categories))


@dataclass(frozen=True, slots=True)
class Lookup:
    """Columns of another table, looked up by a key, such as the customer of an order's lines.

    Parameters
    ----------
    source
        Name of the other table in `build`.
    key
        Column with the key, of the table itself or of an earlier lookup.
    to
        Column of the other table with the same values, each in one row; by default `key`.

    Examples
    --------
    >>> lines = Table(
    ...     "lines", "customer_id", happened="ordered_at", lookups=[Lookup("orders", "order_id")]
    ... )
    >>> lines.sources
    ('lines', 'orders')
    """

    source: str
    key: str
    to: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", self.to or self.key)


@dataclass(frozen=True, slots=True)
class Table:
    """A source table: each row is an event of one customer at one time.

    Parameters
    ----------
    name
        Name of the table in features.
    entity
        Column of the customer's id; rows without one are ignored.
    happened
        Column of the time at which the event happened, or the state began; rows without one are
        ignored. None for attributes of customers without a time, which count as known at every
        date; features can read them with `Last`, and the keys in them with `Related`.
    available
        Column of the time at which the row became known, if that can be later. Features see a
        row from the later of both times.
    ended
        For states: column of the time at which it ended, missing while it is active. Snapshots
        do not see an end at or after their date.
    columns
        Columns that features may read: names and types (``integer, number, boolean, string,
        datetime``).
    known_at_end
        Columns that are filled in when the row ends, such as the reason; features of this table
        cannot read them. Declare the ends as another table with the same `source` and
        ``happened="ended_at"``.
    key
        Columns that identify a row; duplicate keys are an error.
    time_zone
        Time zone of times without an offset.
    source
        Name of the table in `build`, if it differs from `name`: one table can be used with two
        times, such as surveys by when they were sent and when they were answered.
    lookups
        Other tables that have the customer, the time or further columns of a row. Each is
        joined by a key; columns of the table itself, then those of the first lookups, take
        precedence.
    written
        Formats of columns whose texts are not ISO 8601 times or plain numbers: ``DD/MM/YYYY``,
        ``MM/DD/YYYY`` (with ``/``, ``-`` or ``.``, and a time of day), ``DD Mon YYYY`` (with the
        name of the month, also before the day), ``YYYYMMDD``, ``YYMMDD``, ``YYYYMM`` (also with a
        separator: the last day of the month, when its row is complete), ``MM/YYYY`` (also with the
        name of the month, as ``Jan-24``: likewise), ``Excel serial`` (days since 1899-12-30), ``epoch seconds``, ``epoch milliseconds``, ``epoch microseconds``, or for numbers
        ``1,234.5`` and ``1.234,5``, with or without a currency. ``text`` for the customer's id,
        if it is text in some tables and a number in others.
    missing
        Texts that mark a missing value, in lower case, such as ``n/a``. Dates as YYYY-MM-DD, such as
        ``9999-12-31``, also mark one in columns of the type date or time.

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
    happened: str | None
    available: str | None = None
    ended: str | None = None
    columns: Mapping[str, str | RawColumn] | Sequence[RawColumn] = ()
    known_at_end: str | Sequence[str] = ()
    key: str | Sequence[str] = ()
    time_zone: str = "UTC"
    source: str = ""
    lookups: Sequence[Lookup] = ()
    written: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    missing: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name.lower().startswith(RESERVED):
            raise RecipeError(
                f"table '{self.name}': a name has letters, digits and _, starts with a letter and "
                f"not with {RESERVED}"
            )
        columns: Any = self.columns
        if isinstance(columns, Mapping):
            columns = tuple(
                kind if isinstance(kind, RawColumn) else RawColumn(name, kind)
                for name, kind in columns.items()
            )
        object.__setattr__(self, "columns", tuple(columns))
        for field in ("key", "known_at_end"):
            names: Any = getattr(self, field)
            object.__setattr__(self, field, (names,) if isinstance(names, str) else tuple(names))
        object.__setattr__(self, "source", self.source or self.name)
        object.__setattr__(self, "lookups", tuple(self.lookups))
        object.__setattr__(self, "missing", tuple(text.lower() for text in self.missing))
        if any("'" in text for text in self.missing):
            raise RecipeError(f"table '{self.name}': missing: texts cannot have apostrophes")
        object.__setattr__(self, "written", tuple(sorted(dict(self.written).items())))
        _check_formats(self.name, self.formats)
        declared = [column.name for column in self.raw_columns]
        duplicates = sorted({name for name in declared if declared.count(name) > 1})
        if duplicates:
            raise RecipeError(
                f"table '{self.name}' declares column '{duplicates[0]}' twice; remove one"
            )
        _check_time_zone(self.name, self.time_zone)

    def __getitem__(self, column: str) -> RawColumn:
        by_name = {declared.name: declared for declared in self.raw_columns}
        if column not in by_name:
            raise RecipeError(
                f"table '{self.name}' declares no column '{column}'; {did_you_mean(column, by_name)}"
            )
        return by_name[column]

    @property
    def raw_columns(self) -> tuple[RawColumn, ...]:
        """The declared columns."""
        columns: Any = self.columns
        return tuple(columns)

    @property
    def times(self) -> tuple[str, ...]:
        """The columns of its timestamps."""
        return tuple(name for name in (self.happened, self.available, self.ended) if name)

    @property
    def formats(self) -> dict[str, str]:
        """The formats of columns by name."""
        return dict(self.written)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the tables in `build` that it reads."""
        return (self.source, *(lookup.source for lookup in self.lookups))

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
        """Declare a table from its schema: a pandera model with roles, or its contract.

        The entity and the time at which rows become known (``as_of``) come from the roles;
        personal data (``pii``) are excluded.

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
        columns = tuple(
            RawColumn(column.name, column.type, column.levels or ())
            for column in contract.columns
            if not column.has_role("entity", "pii")
        )
        for time in (happened, ended):
            if time is not None and time not in contract:
                raise RecipeError(
                    f"table '{name or contract.name}': its schema has no column '{time}'; "
                    f"{did_you_mean(time, [column.name for column in contract.columns])}"
                )
        as_of = contract.as_of
        return cls(
            name=name or contract.name,
            entity=contract.entity.name,
            happened=happened,
            available=as_of.name if as_of and as_of.name != happened else None,
            ended=ended,
            columns=columns,
            known_at_end=known_at_end,
            key=key,
            time_zone=time_zone,
            source=source or contract.name,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the table as JSON-serializable data; `from_dict` is its inverse."""
        # Only if set, so that the digests of older timelines do not change.
        lookups = [[lookup.source, lookup.key, lookup.to] for lookup in self.lookups]
        optional = {"lookups": lookups, "written": self.formats, "missing": list(self.missing)}
        return {
            "name": self.name,
            "entity": self.entity,
            "happened": self.happened,
            "available": self.available,
            "ended": self.ended,
            "columns": [
                {"name": column.name, "type": column.type, "categories": list(column.categories)}
                for column in self.raw_columns
            ],
            "known_at_end": list(self.known_at_end),
            "key": list(self.key),
            "time_zone": self.time_zone,
            "source": self.source,
            **{name: value for name, value in optional.items() if value},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Table:
        """Create a table from the result of `to_dict`."""
        columns = tuple(
            RawColumn(column["name"], column["type"], tuple(column["categories"]))
            for column in data["columns"]
        )
        lookups = tuple(Lookup(*lookup) for lookup in data.get("lookups", ()))
        return cls(**{**data, "columns": columns, "lookups": lookups})


def _check_formats(table: str, formats: Mapping[str, str]) -> None:
    for column, form in formats.items():
        if form not in (*TIME_FORMATS, *NUMBER_FORMATS, TEXT_FORMAT):
            raise RecipeError(
                f"table '{table}': column '{column}': unknown format '{form}'; use one of: "
                f"{', '.join((*TIME_FORMATS, *NUMBER_FORMATS, TEXT_FORMAT))}"
            )


def _check_time_zone(table: str, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RecipeError(
            f"table '{table}': unknown time zone '{zone}'; use an IANA name such as UTC or "
            "Europe/Berlin"
        ) from None
