"""The metrics of this package on Spark, with the same queries."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from churnkit.errors import MissingExtraError, RecipeError
from churnkit.insights.metrics.settings import RetentionSettings
from churnkit.insights.sql_session import InsightsSession, transpile_sql
from churnkit.insights.table_layouts import LAYOUTS, find_columns
from churnkit.timeline.snapshots import parse_timestamp
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

__all__ = ["open_spark_session"]

_ZONE = "spark.sql.session.timeZone"
_CREATE_TABLE = re.compile(r"\s*CREATE OR REPLACE TEMP(?:ORARY)? TABLE (\w+) AS\s(.*)", re.DOTALL)
# Spark's row_number() requires an order; any unique number will do.
_ROW_NUMBER = re.compile(r"row_number\(\) over \(\)", re.IGNORECASE)


@contextmanager
def open_spark_session(
    tables: Mapping[str, Any],
    *,
    as_of: Any,
    settings: RetentionSettings | None = None,
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[InsightsSession]:
    """Open Spark data frames for the metrics of this package.

    Intermediate tables are cached while the session is open, and Spark's session time zone is UTC.

    Parameters
    ----------
    tables
        Spark data frames by the names of `LAYOUTS`; times as timestamps or dates, money as
        numbers.
    as_of
        Date of the analysis.
    settings, columns
        As for `open_session`.

    Yields
    ------
    InsightsSession
        As from `open_session`.

    Raises
    ------
    MissingExtraError
        If pyspark is not installed.
    DataError
        If a needed column is missing.
    RecipeError
        If a table's name is unknown, or no table is passed.
    """
    for name in [*tables, *(columns or {})]:
        if name not in LAYOUTS:
            raise RecipeError(f"unknown table '{name}'; {did_you_mean(name, LAYOUTS)}")
    if not tables:
        raise RecipeError("no tables: pass Spark data frames by name")
    spark = _spark_session(next(iter(tables.values())))
    zone = spark.conf.get(_ZONE)
    spark.conf.set(_ZONE, "UTC")
    connection = _SparkConnection(spark)
    try:
        parts = {
            name: connection.open_table(name, frame, (columns or {}).get(name))
            for name, frame in tables.items()
        }
        moment = parse_timestamp(as_of, "as_of")
        yield InsightsSession(moment, settings or RetentionSettings(), parts, connection)  # type: ignore[arg-type]
    finally:
        connection.close()
        spark.conf.set(_ZONE, zone)


def _spark_session(frame: Any) -> Any:
    try:
        import pyspark  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError:
        raise MissingExtraError("spark", "pyspark") from None
    if not hasattr(frame, "sparkSession"):
        raise RecipeError("tables must be Spark data frames; use open_session for other tables")
    return frame.sparkSession


class _SparkConnection:
    """Execute DuckDB statements on Spark and return results in DuckDB's formats."""

    def __init__(self, spark: Any) -> None:
        self._spark = spark
        self._frames: dict[str, Any] = {}
        self._result: pa.Table | None = None

    def open_table(self, name: str, frame: Any, names: Mapping[str, str] | None) -> frozenset[str]:
        """Create the view ``ck_in_<table>`` with the layout's column names."""
        layout = LAYOUTS[name]
        columns = find_columns(layout, list(frame.columns), names)
        kinds = {part.name: part.type for part in layout.parts}
        sql_types = {"datetime": "timestamp", "number": "double", "boolean": "boolean"}
        selected = [
            f"CAST(`{column}` AS {sql_types.get(kinds[part], 'string')}) AS {part}"
            for part, column in columns.items()
        ]
        required = f"customer IS NOT NULL AND {layout.at} IS NOT NULL"
        self._cache(f"ck_in_{name}", frame.selectExpr(*selected).where(required))
        return frozenset(columns)

    def execute(self, sql: str, values: Sequence[Any] = ()) -> _SparkConnection:
        """Execute a statement whose rows `fetchall` and `fetchnumpy` return."""
        for value in values:
            sql = sql.replace("?", f"TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'", 1)
        created = _CREATE_TABLE.fullmatch(sql)
        frame = self._spark.sql(_to_spark_sql(created[2] if created else sql))
        if created:
            self._cache(created[1], frame)
        else:
            self._result = frame.toArrow()
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows of the last query, times without a time zone."""
        table = self._last_result()
        columns = [[_to_python(cell) for cell in column.to_pylist()] for column in table.columns]
        return list(zip(*columns, strict=True)) if columns else []

    def fetchnumpy(self) -> dict[str, Any]:
        """Return the columns of the last query, missing numbers as NaN."""
        table = self._last_result()
        return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}

    def close(self) -> None:
        """Drop the temporary views and their caches."""
        for name, frame in reversed(self._frames.items()):
            self._spark.catalog.dropTempView(name)
            frame.unpersist()

    def _cache(self, name: str, frame: Any) -> None:
        cached = frame.persist()
        cached.createOrReplaceTempView(name)
        previous = self._frames.pop(name, None)
        if previous is not None:
            previous.unpersist()
        self._frames[name] = cached

    def _last_result(self) -> pa.Table:
        if self._result is None:
            raise RecipeError("no query was executed yet")
        return self._result


def _to_spark_sql(sql: str) -> str:
    return transpile_sql(_ROW_NUMBER.sub("monotonically_increasing_id()", sql), "spark")


def _to_python(cell: Any) -> Any:
    if isinstance(cell, dt.datetime):
        return cell.replace(tzinfo=None)
    return float(cell) if type(cell).__name__ == "Decimal" else cell
