"""Cast source columns to their declared types, and check rows; shared by all engines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.errors import DataError
from churnkit.timeline.source_tables import TEXT_FORMAT, did_you_mean
from churnkit.timeline.sql.source_rows import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from churnkit.timeline.source_tables import Lookup, Table
    from churnkit.timeline.timeline import Timeline

__all__ = [
    "HAS_OFFSET",
    "IS_TIME",
    "TIME_REMEDY",
    "UTC_NAME",
    "Cast",
    "RowChecks",
    "cast_columns",
    "check_entity_types",
    "entity_type",
    "find_lookup",
    "find_source",
    "lookup_columns",
    "lookup_key",
    "refuse_duplicate_keys",
]

_DESCRIPTIONS = {"entity": "text or integers", "datetime": "dates or times"}


# Regular expressions without backslashes, which the string literals of some dialects unescape. Names
# of zones other than UTC are not supported: engines read or ignore them differently.
_OFFSET = "(?:[Zz]|[Uu][Tt][Cc]|[Gg][Mm][Tt]|[+-][0-9]{2}(?::?[0-9]{2})?)"
_DATE = "[0-9]{1,6}[-/][0-9]{1,2}[-/][0-9]{1,2}"
_CLOCK = "[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.][0-9]+)?)?"
IS_TIME = f"^{_DATE}(?:[Tt ]{_CLOCK} ?{_OFFSET}?)?$"
HAS_OFFSET = f":[0-9.:]+ ?{_OFFSET}$"
UTC_NAME = " ?([Zz]|[Uu][Tt][Cc]|[Gg][Mm][Tt])$"
_ISO_DATE = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME_REMEDY = (
    "has texts that are not ISO 8601 times ({count} of {rows} rows): write every time as YYYY-MM-DD "
    "or YYYY-MM-DD HH:MM:SS, in the time zone of the table or with an offset such as +01:00 or Z"
)


@dataclass(frozen=True, slots=True)
class Cast:
    """The cast of a column.

    Parameters
    ----------
    value
        SQL expression, NULL if the value is missing or cannot be cast.
    faults
        Conditions of invalid rows, each with a description and the correction.
    """

    value: str
    faults: tuple[tuple[str, str], ...] = ()

    def with_calendar_years(self) -> Cast:
        """Return the cast of a timestamp with a check of its year."""
        remedy = "has {count} times outside the years 1 to 9999: correct them"
        return Cast(
            self.value, (*self.faults, (f"year({self.value}) NOT BETWEEN 1 AND 9999", remedy))
        )

    def without_dates(self, missing: Sequence[str]) -> Cast:
        """Return the cast of a typed time that is NULL on dates that mean missing.

        Parameters
        ----------
        missing
            Texts that mean missing; those that are no dates as YYYY-MM-DD are ignored.
        """
        listed = ", ".join(f"'{text}'" for text in missing if _ISO_DATE.fullmatch(text))
        if not listed:
            return self
        day = f"CAST(CAST({self.value} AS DATE) AS VARCHAR(10))"
        return Cast(f"CASE WHEN {day} IN ({listed}) THEN NULL ELSE {self.value} END", self.faults)


def find_source(table: Table, tables: Mapping[str, Any]) -> Any:
    """Return the data of a table.

    Raises
    ------
    DataError
        If they are missing.
    """
    return _find(table.source, tables)


def find_lookup(lookup: Lookup, tables: Mapping[str, Any]) -> Any:
    """Return the data of a looked-up table.

    Raises
    ------
    DataError
        If they are missing.
    """
    return _find(lookup.source, tables)


def _find(source: str, tables: Mapping[str, Any]) -> Any:
    if source not in tables:
        hint = did_you_mean(source, tables)
        raise DataError(source, f"the table is missing; pass it to build: {hint}")
    return tables[source]


def entity_type(table: Table, types: Mapping[str, str]) -> str:
    """Return the SQL type of the customers' ids after their cast."""
    is_text = table.formats.get(table.entity) == TEXT_FORMAT
    return "VARCHAR" if is_text else types[table.entity]


def lookup_key(text: str) -> str:
    """Normalize the text of a key: 17.0, as exports write integers with missing values, is 17."""
    return f"regexp_replace(trim({text}), '[.]0+$', '')"


def lookup_columns(
    table: Table, columns: Sequence[str], types: Sequence[Mapping[str, str]]
) -> list[list[str]]:
    """List the columns to take from each lookup: those needed that no table before has.

    Parameters
    ----------
    table
        The declaration.
    columns
        Further columns that the timeline reads.
    types
        SQL types by column, of the table and of each looked-up table.

    Raises
    ------
    DataError
        If a key is missing.
    """
    needed = {table.entity, *table.times, *columns, *table.key}
    needed |= {lookup.key for lookup in table.lookups}
    available = set(types[0])
    taken = []
    for lookup, own in zip(table.lookups, types[1:], strict=True):
        for source, name, names in (
            (table.source, lookup.key, available),
            (lookup.source, lookup.to, own),
        ):
            if name not in names:
                raise DataError(
                    source,
                    f"column '{name}', the key of Lookup('{lookup.source}', ...), is missing: "
                    f"{did_you_mean(name, names)}",
                )
        taken.append(sorted((needed - available) & set(own)))
        available |= set(taken[-1])
    return taken


def refuse_duplicate_keys(lookup: Lookup, duplicates: int) -> None:
    """Refuse a lookup whose key is in several rows with different columns.

    Raises
    ------
    DataError
        With the number of keys.
    """
    if duplicates:
        raise DataError(
            lookup.source,
            f"column '{lookup.to}': {duplicates:,} keys have several rows with different values, "
            "so that a lookup is ambiguous; keep one row per key",
        )


def cast_columns(
    table: Table,
    columns: Sequence[str],
    types: Mapping[str, str],
    cast: Callable[[str, str, str], Cast | None],
) -> dict[str, Cast]:
    """Cast the id, the timestamps and further columns of a table.

    Parameters
    ----------
    table
        The declaration.
    columns
        Further columns.
    types
        SQL types of the columns of the data.
    cast
        Function of name, SQL type and declared type; None if the type does not allow the cast.

    Raises
    ------
    DataError
        If a column is missing or has an SQL type that cannot be cast.
    """
    declared = {table.entity: "entity", **dict.fromkeys(table.times, "datetime")}
    declared |= {name: table[name].type for name in columns}
    missing = [name for name in (*declared, *table.key) if name not in types]
    if missing:
        raise DataError(
            table.source,
            [
                f"column '{name}' is missing; rename it in the data or in Table('{table.name}', "
                f"...): {did_you_mean(name, types)}"
                for name in missing
            ],
        )
    casts = {name: cast(name, types[name], kind) for name, kind in declared.items()}
    problems = [
        f"column '{name}' has type {types[name]} but is declared as "
        f"{_DESCRIPTIONS.get(declared[name], declared[name])}; convert it, or declare another type"
        for name, column in casts.items()
        if column is None
    ]
    if problems:
        raise DataError(table.source, problems)
    return {name: column for name, column in casts.items() if column is not None}


class RowChecks:
    """The checks of a table's rows as SQL expressions.

    Parameters
    ----------
    table
        The declaration.
    casts
        The casts of its columns.

    Attributes
    ----------
    is_event
        Condition of a row with a customer and a time.
    timestamp
        The time at which a row became known.
    conditions
        One condition of invalid rows per check.
    """

    def __init__(self, table: Table, casts: Mapping[str, Cast]) -> None:
        self._table = table
        faults = [(name, *fault) for name, cast in casts.items() for fault in cast.faults]
        self.timestamp = f"CAST('{ALWAYS}' AS TIMESTAMP)"
        if table.happened:
            self.timestamp = casts[table.happened].value
        self.is_event: str = (
            f"{casts[table.entity].value} IS NOT NULL AND {self.timestamp} IS NOT NULL"
        )
        if table.available:
            available = casts[table.available].value
            remedy = (
                "is missing in {count} of {rows} rows that have happened: fill in when they became "
                "known, or declare the table without available="
            )
            faults.append((table.available, f"{self.is_event} AND {available} IS NULL", remedy))
            self.timestamp = f"greatest({self.timestamp}, {available})"
        self._faults = [(name, remedy) for name, _, remedy in faults]
        self.conditions: list[str] = [condition for _, condition, _ in faults]

    def end(self, microseconds: str) -> str:
        """Return the microseconds until which the rows are known, by the engine's function of a time.

        That is the time of the last row, or the end of its day if all times are dates.
        """
        day = 86_400_000_000
        return (
            f"{microseconds}(max({self.timestamp})) + CASE WHEN "
            f"bool_and({microseconds}({self.timestamp}) % {day} = 0) THEN {day} ELSE 0 END"
        )

    def raise_faults(self, rows: int, counts: Sequence[int], duplicate_keys: int) -> None:
        """Raise an error if any row is invalid.

        Parameters
        ----------
        rows
            Number of rows.
        counts
            Number of invalid rows for each of `conditions`.
        duplicate_keys
            Number of keys with more than one row.
        """
        problems = [
            f"column '{name}' {remedy.format(count=f'{count:,}', rows=f'{rows:,}')}"
            for (name, remedy), count in zip(self._faults, counts, strict=True)
            if count
        ]
        if duplicate_keys:
            names = " and ".join(f"'{name}'" for name in self._table.key)
            problems.append(
                f"column {names}: {duplicate_keys:,} keys have more than one row; keep one row per "
                "key"
            )
        if problems:
            raise DataError(self._table.source, problems)


def check_entity_types(timeline: Timeline, types: Mapping[str, str]) -> None:
    """Check that customers have ids of one type in all tables, and keys that of their table.

    Parameters
    ----------
    timeline
        The timeline.
    types
        SQL type of the customer column by table.

    Raises
    ------
    DataError
        Names both tables, the column and the correction.
    """
    kinds = {name: "text" if _is_text(kind) else "integers" for name, kind in types.items()}
    eligible = timeline.eligible.table
    keys = timeline.key_types
    for name, kind in kinds.items():
        table = timeline.table(name)
        if name in keys:
            if kind != ("text" if keys[name] == "string" else "integers"):
                raise DataError(
                    table.source,
                    f"column '{table.entity}' has {kind}, but related features read keys of type "
                    f"{keys[name]}; declare the type of these, or convert one of them",
                )
        elif kind != kinds[eligible]:
            raise DataError(
                table.source,
                f"column '{table.entity}' has {kind}, but customers in table '{eligible}' have "
                f"{kinds[eligible]}; convert one of them",
            )


def _is_text(kind: str) -> bool:
    return kind.lower() in {"varchar", "string", "uuid"} or kind.startswith("ENUM")
