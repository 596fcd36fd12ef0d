"""A company's raw tables, opened in the timeline's engine for queries on the whole base."""

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

__all__ = ["InsightsSession", "in_dialect", "open_business"]

_DAY = dt.timedelta(days=1)


@lru_cache(maxsize=256)
def in_dialect(sql: str, dialect: str = "duckdb") -> str:
    """Write one of this package's queries, which are DuckDB's, in another dialect.

    Examples
    --------
    >>> in_dialect("SELECT date_diff('day', a, b) FROM t", "spark")
    'SELECT DATEDIFF(DAY, a, b) FROM t'
    """
    import sqlglot

    return str(sqlglot.transpile(sql, read="duckdb", write=dialect)[0])


@dataclass(frozen=True)
class InsightsSession:
    """Opened tables, the date at which they are looked at, and what words mean.

    Parameters
    ----------
    as_of
        The date: what happened strictly before it is seen.
    settings
        Where definitions differ.
    parts
        For each table the names of the parts that it has.
    """

    as_of: dt.datetime
    settings: RetentionSettings
    parts: Mapping[str, frozenset[str]]
    _con: duckdb.DuckDBPyConnection = field(repr=False)

    def has(self, table: str, *parts: str) -> bool:
        """Tell whether a table is there, with these parts."""
        return table in self.parts and all(part in self.parts[table] for part in parts)

    def run(self, sql: str) -> None:
        """Run a statement that gives no rows."""
        self._con.execute(sql)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run a query and return its rows."""
        return self._con.execute(sql).fetchall()

    def row(self, sql: str) -> tuple[Any, ...]:
        """Run a query that has one row."""
        return self.rows(sql)[0]

    def arrays(self, sql: str) -> dict[str, Any]:
        """Run a query and return its columns as numpy arrays, missing numbers as NaN."""
        import numpy as np

        found = self._con.execute(sql).fetchnumpy()
        return {
            name: np.ma.filled(column.astype(np.float64), np.nan)
            if np.ma.isMaskedArray(column) and column.dtype.kind in "iufb"
            else column
            for name, column in found.items()
        }

    def span(self, begin: dt.datetime, until: dt.datetime) -> None:
        """Set the stretch of time ``[begin, until)`` that queries look at, as table ck_span."""
        self._con.execute(
            "CREATE OR REPLACE TEMP TABLE ck_span AS SELECT CAST(? AS TIMESTAMP) AS begin_at, "
            "CAST(? AS TIMESTAMP) AS until_at",
            [begin.replace(tzinfo=None), until.replace(tzinfo=None)],
        )


@contextmanager
def open_business(
    tables: Mapping[str, Any],
    *,
    as_of: Any = None,
    settings: RetentionSettings | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
    memory_limit: str = "1GB",
    spill_dir: str | None = None,
    threads: int | None = None,
) -> Iterator[InsightsSession]:
    """Open raw tables for the measures of this package.

    Parameters
    ----------
    tables
        By the names of `LAYOUTS`: paths of Parquet or CSV files, or pandas, polars or Arrow
        tables.
    as_of
        The date at which they are looked at; the first midnight (UTC) after the last row if
        not given.
    settings
        Where definitions differ.
    columns
        For tables whose columns are called otherwise: ``{"subscriptions": {"mrr": "fee"}}``.
    memory_limit, spill_dir, threads
        As in `churnkit.timeline.build`.

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
    >>> with open_business({"orders": orders}) as business:
    ...     business.as_of.isoformat()
    '2025-01-10T00:00:00+00:00'
    """
    for name in [*tables, *(columns or {})]:
        if name not in LAYOUTS:
            raise RecipeError(f"there is no kind of table '{name}'; {did_you_mean(name, LAYOUTS)}")
    with connect(memory_limit, spill_dir, threads) as con:
        lasts, parts = [], {}
        for name, given in tables.items():
            with read_errors(name):
                found, last = _opened(con, LAYOUTS[name], given, (columns or {}).get(name))
            parts[name] = frozenset(found)
            lasts += [] if last is None else [last]
        moment = parse_timestamp(as_of, "as_of") if as_of is not None else _next_midnight(lasts)
        yield InsightsSession(moment, settings or RetentionSettings(), parts, con)


def _opened(
    con: duckdb.DuckDBPyConnection, layout: Layout, given: Any, named: Mapping[str, str] | None
) -> tuple[dict[str, str], int | None]:
    """Make the view ``ck_in_<table>`` with the layout's own names."""
    types = column_types(con, layout.name, given)
    found = find_columns(layout, list(types), named)
    table = layout.table(found)
    opened = open_table(
        con, table, {layout.name: given}, columns=[one.name for one in table.raw_columns]
    )
    named_parts = ", ".join(f"{quote(column)} AS {quote(part)}" for part, column in found.items())
    there = f"{quote(found['customer'])} IS NOT NULL AND {quote(found[layout.at])} IS NOT NULL"
    con.execute(
        f"CREATE TEMP VIEW {quote('ck_in_' + layout.name)} AS "  # noqa: S608
        f"SELECT {named_parts} FROM {quote(layout.name)} WHERE {there}"
    )
    return found, opened.last


def _next_midnight(lasts: list[int]) -> dt.datetime:
    last = from_microseconds(max(lasts, default=0))
    return last.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
