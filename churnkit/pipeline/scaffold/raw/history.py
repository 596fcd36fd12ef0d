"""Measure the history of raw tables: their time span, and the days between a customer's rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds
from churnkit.errors import DataError
from churnkit.timeline.engines.duckdb import connect, read_errors
from churnkit.timeline.engines.duckdb_casts import quote
from churnkit.timeline.engines.duckdb_sources import open_table
from churnkit.timeline.sql.expressions import where_clause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.core.predicate import Where
    from churnkit.pipeline.scaffold.raw.tables.raw_table import RawTable

__all__ = ["History", "distinct_times", "measure", "measure_events"]

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class History:
    """History of a table.

    Parameters
    ----------
    first, last
        Times of the first and the last row, without the first and last half percent if these
        extend the span by more than a fifth.
    customers
        Number of customers.
    gap_days
        90th percentile of the days between two days of a customer; None without such days.
    length_days
        Median days from the start of a row to its end; None without ends.
    first_end
        Time of the first end of a row; None without ends.
    """

    first: dt.datetime
    last: dt.datetime
    customers: int
    gap_days: int | None
    length_days: float | None
    first_end: dt.datetime | None = None

    @property
    def days(self) -> int:
        """Length in days."""
        return max((self.last - self.first).days, 0)


def measure(
    tables: Iterable[RawTable], data: Mapping[str, Any]
) -> tuple[dict[str, History], dict[str, str]]:
    """Measure the tables that have times.

    Returns
    -------
    histories
        By the name of the table.
    refused
        Tables that cannot be read as declared, with the reason.
    """
    histories, refused = {}, {}
    with connect("4GB", None, None) as con:
        for table in tables:
            try:
                with read_errors(table.source):
                    declaration = table.declaration()
                    columns = [column.name for column in declaration.raw_columns]
                    open_table(con, declaration, data, columns=columns)
            except DataError as error:
                refused[table.name] = str(error)
                continue
            if table.happened is not None:
                history = _history(con, table)
                if history is None:
                    refused[table.name] = "no row has both a customer and a time"
                else:
                    histories[table.name] = history
    return histories, refused


def _history(con: Any, table: RawTable) -> History | None:
    view, entity, happened = (
        quote(name or "") for name in (table.name, table.entity, table.happened)
    )
    rows = f"(SELECT {entity} AS who, {happened} AS moment FROM {view} WHERE who IS NOT NULL AND moment IS NOT NULL)"  # noqa: S608
    total = con.execute(
        "SELECT epoch_us(min(moment)), epoch_us(quantile_disc(moment, 0.005)), "  # noqa: S608
        f"epoch_us(quantile_disc(moment, 0.995)), epoch_us(max(moment)), count(DISTINCT who) FROM {rows}"
    ).fetchone()
    if not total or total[0] is None:
        return None
    first, early, late, last, customers = total
    spread = max(late - early, 1)
    first = early if early - first > 0.2 * spread else first
    last = late if last - late > 0.2 * spread else last
    (gap,) = con.execute(
        "SELECT quantile_disc(gap, 0.9) FROM (SELECT date_diff('day', lag(day) OVER "  # noqa: S608
        "(PARTITION BY who ORDER BY day), day) AS gap FROM (SELECT DISTINCT who, "
        f"CAST(moment AS DATE) AS day FROM {rows})) WHERE gap IS NOT NULL"
    ).fetchone() or (None,)
    length = end = None
    if table.ended is not None:
        length, end = con.execute(
            f"SELECT median(epoch_us({quote(table.ended)}) - epoch_us({happened})) / 864e8, "  # noqa: S608
            f"epoch_us(min({quote(table.ended)})) FROM {view} WHERE {quote(table.ended)} IS NOT NULL"
        ).fetchone() or (None, None)
    first_end = None if end is None else from_microseconds(end)
    return History(
        from_microseconds(first), from_microseconds(last), customers, gap, length, first_end
    )


def measure_events(
    table: RawTable, conditions: tuple[Where, ...], data: Mapping[str, Any]
) -> tuple[int, float]:
    """Count the customers with an event, and the share of them whose rows end with it.

    Returns
    -------
    customers
        Number of customers with a row that meets the conditions.
    final
        Share of them whose last such row is at most a day before their last row.
    """
    with connect("4GB", None, None) as con, read_errors(table.source):
        declaration = table.declaration()
        open_table(con, declaration, data, columns=[c.name for c in declaration.raw_columns])
        condition = where_clause(conditions)
        meets = "true" if condition is None else condition.sql(dialect="duckdb")
        view, who, at = (quote(name or "") for name in (table.name, table.entity, table.happened))
        query = (
            f"SELECT count(*), avg(CASE WHEN event >= last - INTERVAL 1 DAY THEN 1.0 ELSE 0.0 END) "  # noqa: S608
            f"FROM (SELECT max({at}) AS last, max(CASE WHEN {meets} THEN {at} END) AS event "
            f"FROM {view} WHERE {who} IS NOT NULL GROUP BY {who}) WHERE event IS NOT NULL"
        )
        customers, final = con.execute(query).fetchone() or (0, None)
    return int(customers), float(final or 0.0)


def distinct_times(table: RawTable, data: Mapping[str, Any]) -> list[int]:
    """List the distinct days of a table's times, in microseconds since 1970."""
    with connect("4GB", None, None) as con, read_errors(table.source):
        open_table(con, table.declaration(), data, columns=[])
        at, view = quote(table.happened or ""), quote(table.name)
        query = f"SELECT DISTINCT epoch_us(CAST(CAST({at} AS DATE) AS TIMESTAMP)) FROM {view} WHERE {at} IS NOT NULL"  # noqa: S608
        return sorted(int(row[0]) for row in con.execute(query).fetchall())
