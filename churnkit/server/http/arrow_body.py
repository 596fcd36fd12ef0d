"""Customers in Arrow's stream format, for bodies that JSON would make slow; answered alike."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Final

from churnkit.errors import DataError
from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.bundle import RetentionModel

__all__ = ["ARROW", "answer_arrow"]

ARROW: Final = b"application/vnd.apache.arrow.stream"
_DICTIONARY, _BATCH = 2, 3


def answer_arrow(raw: bytes, model: RetentionModel, *, max_rows: int) -> tuple[bytes, int]:
    """Give each customer's probability of leaving.

    Parameters
    ----------
    raw
        A table in Arrow's stream format, not compressed inside.
    model
        Scores it; rows that break a rule are reported in the column ``problem``.
    max_rows
        The most rows.

    Returns
    -------
    The answer in the same format, and how many customers were scored.

    Raises
    ------
    Problem
        400 if it is no Arrow stream, 415 if it is compressed, 422 if it does not fit.
    """
    import pyarrow as pa

    table = _read(raw, max_rows)
    refuse_unknown(table, model)
    try:
        told = model.predict(table)
    except DataError as error:
        violations = [violation.to_dict() for violation in error.violations]  # type: ignore[attr-defined]
        detail = "the table does not fit the contract"
        raise Problem(422, "contract", detail, violations=violations) from None
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, told.schema) as writer:
        writer.write_table(told)
    return sink.getvalue(), told.num_rows - told["churn_probability"].null_count


def refuse_unknown(table: pa.Table, model: RetentionModel) -> None:
    """Refuse columns that the contract does not know, as the JSON door does.

    Raises
    ------
    Problem
        422, with the columns.
    """
    contract = model.contract
    known = {column.name for column in contract.columns}
    read = {c.name for c in (*contract.required("predict"), *contract.optional("predict"))}
    allowed = read | {column.name for column in contract.unread("predict")} & known
    strange = [name for name in table.column_names if name not in allowed]
    if strange:
        violations = [
            {
                "column": name[:80] if name.isprintable() else ascii(name)[1:81],
                "rule": "unknown_column",
                "count": table.num_rows,
                "positions": [],
                "remedy": "remove the column: it is not in the contract",
            }
            for name in strange[:20]
        ]
        detail = "the table has columns that the contract does not know"
        raise Problem(422, "contract", detail, violations=violations)


def _read(raw: bytes, max_rows: int) -> pa.Table:
    import pyarrow as pa

    try:
        _refuse_compressed(raw)
        with pa.ipc.open_stream(pa.BufferReader(raw)) as reader:
            batches = []
            rows = 0
            for batch in reader:
                rows += batch.num_rows
                if rows > max_rows:
                    raise _too_many(max_rows)
                # Offsets and lengths come from outside: looked at before anything follows them.
                batch.validate(full=True)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
            # Names that are no UTF-8 show when they are first asked for.
            empty = not table.column_names or not table.num_rows
    except (pa.ArrowException, OSError, EOFError, struct.error, IndexError, ValueError):
        raise Problem(400, "not-arrow", "the body is not an Arrow stream") from None
    if empty:
        raise _too_many(max_rows)
    return table


def _too_many(max_rows: int) -> Problem:
    violation = {
        "column": "",
        "rule": f"max_rows({max_rows})",
        "count": 1,
        "positions": [],
        "remedy": f"send 1 to {max_rows:,} customers a request",
    }
    return Problem(422, "shape", "the table has too few or too many rows", violations=[violation])


def _refuse_compressed(raw: bytes) -> None:
    """Refuse buffers that are compressed: a small body could unfold to any size.

    Arrow has no switch for that, so the messages' own heads are looked at, which Arrow has
    checked to be well formed.
    """
    import pyarrow as pa

    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(raw)):
        head = message.metadata.to_pybytes()
        root = struct.unpack_from("<I", head, 0)[0]
        kind = _field(head, root, 1, "<B")
        if kind not in {_DICTIONARY, _BATCH}:
            continue
        batch = _table(head, root, 2)
        if kind == _DICTIONARY and batch is not None:
            batch = _table(head, batch, 1)
        if batch is not None and _place(head, batch, 3) is not None:
            raise Problem(415, "media-type", "send the Arrow stream without compression inside")


def _place(head: bytes, table: int, number: int) -> int | None:
    """Find a field of a flatbuffer's table; None where it has its default."""
    entries = table - struct.unpack_from("<i", head, table)[0]
    size = struct.unpack_from("<H", head, entries)[0]
    entry = 4 + 2 * number
    if entry + 2 > size:
        return None
    offset = struct.unpack_from("<H", head, entries + entry)[0]
    return table + offset if offset else None


def _field(head: bytes, table: int, number: int, form: str) -> Any:
    place = _place(head, table, number)
    return 0 if place is None else struct.unpack_from(form, head, place)[0]


def _table(head: bytes, table: int, number: int) -> int | None:
    place = _place(head, table, number)
    return None if place is None else place + struct.unpack_from("<I", head, place)[0]
