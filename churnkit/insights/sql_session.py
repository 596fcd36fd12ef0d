"""DuckDB sessions over raw tables, for queries on the whole customer base."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from churnkit.core.time import from_microseconds
from churnkit.errors import RecipeError
from churnkit.insights.metrics.settings import RetentionSettings
from churnkit.insights.table_layouts import LAYOUTS, Layout, find_columns
from churnkit.timeline.engines.duckdb import connect, read_errors
from churnkit.timeline.engines.duckdb_casts import quote
from churnkit.timeline.engines.duckdb_sources import column_types, open_table
from churnkit.timeline.snapshots import parse_timestamp
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

__all__ = ["InsightsSession", "open_session", "transpile_sql"]

_DAY = dt.timedelta(days=1)


@lru_cache(maxsize=256)
def transpile_sql(sql: str, dialect: str = "duckdb") -> str:
    """Translate a DuckDB query to another SQL dialect.

    Examples
    --------
    >>> transpile_sql("SELECT date_diff('day', a, b) FROM t", "spark")
    'SELECT DATEDIFF(DAY, a, b) FROM t'
    """
    import sqlglot

    return str(sqlglot.transpile(sql, read="duckdb", write=dialect)[0])


@dataclass(frozen=True)
class InsightsSession:
    """Raw tables opened for queries at one date.

    Parameters
    ----------
    as_of
        Date of the analysis; only rows strictly before it count.
    settings
        Metric definitions.
    parts
        Names of the available parts of each table.
    """

    as_of: dt.datetime
    settings: RetentionSettings
    parts: Mapping[str, frozenset[str]]
    _con: duckdb.DuckDBPyConnection = field(repr=False)

    def has(self, table: str, *parts: str) -> bool:
        """Return whether a table exists and has these parts."""
        return table in self.parts and all(part in self.parts[table] for part in parts)

    def run(self, sql: str) -> None:
        """Execute a statement without a result."""
        self._con.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Execute a query and return its rows."""
        return self._con.execute(sql).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Execute a query and return its only row."""
        return self.rows(sql)[0]

    def arrays(self, sql: str) -> dict[str, Any]:
        """Execute a query and return its columns as numpy arrays, missing numbers as NaN."""
        import numpy as np

        columns = self._con.execute(sql).fetchnumpy()
        return {
            name: np.ma.filled(column.astype(np.float64), np.nan)
            if np.ma.isMaskedArray(column) and column.dtype.kind in "iufb"
            else column
            for name, column in columns.items()
        }

    def set_span(self, begin: dt.datetime, until: dt.datetime) -> None:
        """Store the interval ``[begin, until)`` in the table ck_span that queries refer to."""
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE ck_span AS SELECT CAST(? AS TIMESTAMP) AS begin_at, "
            "CAST(? AS TIMESTAMP) AS until_at",
            [begin.replace(tzinfo=None), until.replace(tzinfo=None)],
        )


@contextmanager
def open_session(
    tables: Mapping[str, Any],
    *,
    as_of: Any = None,
    settings: RetentionSettings | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    memory_limit: str = "1GB",
    spill_dir: str | None = None,
    threads: int | None = None,
) -> Iterator[InsightsSession]:
    """Open raw tables for the metrics of this package.

    Parameters
    ----------
    tables
        Tables by the names of `LAYOUTS`: paths of Parquet or CSV files, or pandas, polars or
        Arrow tables.
    as_of
        Date of the analysis; default: the first midnight (UTC) after the last row.
    settings
        Metric definitions.
    columns
        Column names that differ from the known ones: ``{"subscriptions": {"mrr": "fee"}}``.
    memory_limit, spill_dir, threads
        As for `churnkit.timeline.build`.

    Yields
    ------
    InsightsSession
        For ``measure_retention(session)``, ``measure_satisfaction(session)``...

    Raises
    ------
    DataError
        If a table or a needed column is missing or cannot be read.
    RecipeError
        If a table's name is unknown.

    Examples
    --------
    >>> from datetime import datetime
    >>> orders = [{"customer": "a", "date": datetime(2025, 1, 9), "amount": 5.0}]
    >>> with open_session({"orders": orders}) as session:
    ...     session.as_of.isoformat()
    '2025-01-10T00:00:00+00:00'
    """
    for name in [*tables, *(columns or {})]:
        if name not in LAYOUTS:
            raise RecipeError(f"unknown table '{name}'; {did_you_mean(name, LAYOUTS)}")
    with connect(memory_limit, spill_dir, threads) as con:
        last_times, parts = [0], {}
        for name, source in tables.items():
            with read_errors(name):
                names, last = _open_table(con, LAYOUTS[name], source, (columns or {}).get(name))
            parts[name] = frozenset(names)
            last_times += [] if last is None else [last]
        moment = (
            parse_timestamp(as_of, "as_of")
            if as_of is not None
            else _next_midnight(max(last_times))
        )
        yield InsightsSession(moment, settings or RetentionSettings(), parts, con)


def _open_table(
    con: duckdb.DuckDBPyConnection, layout: Layout, source: Any, names: Mapping[str, str] | None
) -> tuple[dict[str, str], int | None]:
    """Create the view ``ck_in_<table>`` with the layout's column names."""
    types = column_types(con, layout.name, source)
    columns = find_columns(layout, list(types), names)
    table = layout.table(columns)
    opened = open_table(
        con, table, {layout.name: source}, columns=[column.name for column in table.raw_columns]
    )
    selected = ", ".join(f"{quote(column)} AS {quote(part)}" for part, column in columns.items())
    required = " AND ".join(f"{quote(columns[n])} IS NOT NULL" for n in ("customer", layout.at))
    con.execute(
        f"CREATE TEMP VIEW {quote('ck_in_' + layout.name)} AS "  # noqa: S608
        f"SELECT {selected} FROM {quote(layout.name)} WHERE {required}"
    )
    return columns, opened.last


def _next_midnight(microseconds: int) -> dt.datetime:
    last = from_microseconds(microseconds)
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
