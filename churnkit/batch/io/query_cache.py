"""Cache a query's rows next to the output, so that an interrupted job can resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from churnkit.batch.io.checkpoints import Chunks
    from churnkit.core.io.query import Query

__all__ = ["QueryCache"]


class QueryCache:
    """Source of the cached rows of a query.

    A database may return other rows, or another order, when a job resumes.

    Parameters
    ----------
    query
        Query, run once.
    chunks
        Chunks of the cached rows; filled if they are not complete.
    progress
        Called with the number of rows read so far.
    """

    paths: tuple[Path, ...] = ()
    dialect: None = None
    fingerprint: list[list[Any]] = []  # noqa: RUF012 - never changed

    def __init__(
        self, query: Query, chunks: Chunks, *, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        self.name = "the query"
        self._chunks = chunks
        if not (len(chunks) and "columns" in chunks.facts(len(chunks) - 1)):
            # A partial result is discarded: the next one may have another order.
            chunks.clear()
            rows = 0
            parts = query.read()
            first = next(parts)
            if not first.column_names:
                raise ChurnkitError("the query returns no columns: select the customers' columns")
            for part in parts:
                if part.num_rows:
                    with chunks.new({}) as chunk:
                        chunk.write("rows", part)
                    rows += part.num_rows
                    progress(rows)
            with chunks.new({"columns": first.column_names, "rows": rows}):
                pass
        facts = chunks.facts(len(chunks) - 1)
        self.columns: tuple[str, ...] = tuple(facts["columns"])
        self.rows: int | None = facts["rows"]

    def batches(self, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """Read the rows in order; only those columns, if any are named."""
        selected = list(self.columns if columns is None else columns)
        for part in self._chunks.tables("rows"):
            yield part.select(selected)
