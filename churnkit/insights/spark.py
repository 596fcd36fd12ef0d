"""The measures of this package on Spark: the same queries, where the tables outgrow one machine."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from churnkit.errors import MissingExtraError, RecipeError
from churnkit.insights.metrics.settings import RetentionSettings
from churnkit.insights.sql_session import InsightsSession, in_dialect
from churnkit.insights.table_layouts import LAYOUTS, find_columns
from churnkit.timeline.snapshots import parse_timestamp
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

__all__ = ["business_on_spark"]

_ZONE = "spark.sql.session.timeZone"
_MADE = re.compile(r"\s*CREATE OR REPLACE TEMP(?:ORARY)? TABLE (\w+) AS\s(.*)", re.DOTALL)
# Of rows that Spark need not put in any order, a number each: it asks for an order to count in.
_COUNTED = re.compile(r"row_number\(\) over \(\)", re.IGNORECASE)


@contextmanager
def business_on_spark(
    tables: Mapping[str, Any],
    *,
    as_of: Any,
    settings: RetentionSettings | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[InsightsSession]:
    """Open Spark data frames for the measures of this package.

    Steps that queries read again are cached in the session while it is open; the session's time
    zone is UTC meanwhile.

    Parameters
    ----------
    tables
        Spark data frames by the names of `LAYOUTS`; times as timestamps or dates, money as
        numbers.
    as_of
        The date at which they are looked at.
    settings, columns
        As in `open_business`.

    Yields
    ------
    Business
        As `open_business` gives: ``measure_retention(business)``, ``measure_satisfaction``, ...

    Raises
    ------
    MissingExtraError
        If pyspark is not installed.
    DataError
        If a needed column is missing.
    RecipeError
        If a table's name is unknown, or there is no table.
    """
    for name in [*tables, *(columns or {})]:
        if name not in LAYOUTS:
            raise RecipeError(f"there is no kind of table '{name}'; {did_you_mean(name, LAYOUTS)}")
    if not tables:
        raise RecipeError("there is no table: give Spark data frames by name")
    spark = _session(next(iter(tables.values())))
    zone = spark.conf.get(_ZONE)
    spark.conf.set(_ZONE, "UTC")
    runs = _Runs(spark)
    try:
        parts = {
            name: runs.opened(name, frame, (columns or {}).get(name))
            for name, frame in tables.items()
        }
        moment = parse_timestamp(as_of, "as_of")
        yield InsightsSession(moment, settings or RetentionSettings(), parts, runs)  # type: ignore[arg-type]
    finally:
        runs.clear()
        spark.conf.set(_ZONE, zone)


def _session(frame: Any) -> Any:
    try:
        import pyspark  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError:
        raise MissingExtraError("spark", "pyspark") from None
    if not hasattr(frame, "sparkSession"):
        raise RecipeError("give Spark data frames; for other tables: open_business")
    return frame.sparkSession


class _Runs:
    """Runs DuckDB's statements on Spark, with the answers in DuckDB's forms."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self._made: dict[str, Any] = {}
        self._last: pa.Table | None = None

    def opened(self, name: str, frame: Any, named: Mapping[str, str] | None) -> frozenset[str]:
        """Make the view ``ck_in_<table>`` with the layout's own names."""
        layout = LAYOUTS[name]
        found = find_columns(layout, list(frame.columns), named)
        kinds = {part.name: part.type for part in layout.parts}
        read = {"datetime": "timestamp", "number": "double", "boolean": "boolean"}
        chosen = [
            f"CAST(`{column}` AS {read[kinds[part]]}) AS {part}"
            if kinds[part] in read
            else f"CAST(`{column}` AS string) AS {part}"
            for part, column in found.items()
        ]
        there = f"customer IS NOT NULL AND {layout.at} IS NOT NULL"
        self._keep(f"ck_in_{name}", frame.selectExpr(*chosen).where(there))
        return frozenset(found)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> _Runs:
        """Run a statement; `fetchall` or `fetchnumpy` give its rows."""
        for value in values:
            sql = sql.replace("?", f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'", 1)
        made = _MADE.fullmatch(sql)
        frame = self._spark.sql(_for_spark(made[2] if made else sql))
        if made:
            self._keep(made[1], frame)
        else:
            self._last = frame.toArrow()
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Give the rows of the last query, times without a zone."""
        table = self._answer()
        columns = [[_plain(cell) for cell in column.to_pylist()] for column in table.columns]
        return list(zip(*columns, strict=True)) if columns else []

    def fetchnumpy(self) -> dict[str, Any]:
        """Give the columns of the last query, missing numbers as NaN."""
        table = self._answer()
        return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}

    def clear(self) -> None:
        """Forget all that was made on the way."""
        for name, frame in reversed(self._made.items()):
            self._spark.catalog.dropTempView(name)
            frame.unpersist()

    def _keep(self, name: str, frame: Any) -> None:
        kept = frame.persist()
        kept.createOrReplaceTempView(name)
        before = self._made.pop(name, None)
        if before is not None:
            before.unpersist()
        self._made[name] = kept

    def _answer(self) -> pa.Table:
        if self._last is None:
            raise RecipeError("nothing was asked yet")
        return self._last


def _for_spark(sql: str) -> str:
    return in_dialect(_COUNTED.sub("monotonically_increasing_id()", sql), "spark")


def _plain(cell: Any) -> Any:
    if isinstance(cell, dt.datetime):
        return cell.replace(tzinfo=None)
    return float(cell) if type(cell).__name__ == "Decimal" else cell
