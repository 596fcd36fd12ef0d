"""Tables in Arrow's stream format, for bodies that would be slow as JSON."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from churnkit.contracts.validation.violations import Violation
from churnkit.errors import DataError
from churnkit.server.http.problem_details import Problem

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.bundle import RetentionModel

__all__ = ["ARROW", "predict_arrow"]

ARROW: Final = b"application/vnd.apache.arrow.stream"
_DICTIONARY, _BATCH = 2, 3
_MAX_MESSAGES: Final = 1_024
# The most that a number, a date or a short decimal takes.
_FIXED_BYTES: Final = 32


def predict_arrow(
    raw: bytes, model: RetentionModel, *, max_rows: int, max_bytes: int
) -> tuple[bytes, int]:
    """Return each customer's churn probability.

    Parameters
    ----------
    raw
        A table in Arrow's stream format, without compressed buffers.
    model
        Scores it; rows that break a rule are reported in the column ``problem``.
    max_rows
        The most rows.
    max_bytes
        The most bytes that dictionaries and views may expand to.

    Returns
    -------
    tuple of bytes and int
        The answer in the same format, and the number of customers scored.

    Raises
    ------
    Problem
        400 if it is not an Arrow stream, 413 if it expands to too much, 415 if it is compressed,
        422 if it does not fit the contract or has nested types.
    """
    import pyarrow as pa

    table = _read(raw, model, max_rows, max_bytes)
    try:
        predictions = model.predict(table)
    except DataError as error:
        violations = [violation.to_dict() for violation in error.violations]  # type: ignore[attr-defined]
        detail = "the table does not fit the contract"
        raise Problem(422, "contract", detail, violations=violations) from None
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, predictions.schema) as writer:
        writer.write_table(predictions)
    return sink.getvalue(), predictions.num_rows - predictions["churn_probability"].null_count


def _refuse_columns(schema: pa.Schema, model: RetentionModel) -> None:
    """Refuse columns that the contract does not know, as for JSON, and types that it cannot have."""
    contract = model.contract
    declared = {column.name for column in contract.columns}
    read = {c.name for c in (*contract.required("predict"), *contract.optional("predict"))}
    allowed = read | {column.name for column in contract.unread("predict")} & declared
    unknown = [name for name in schema.names if name not in allowed]
    if unknown:
        violations: list[dict[str, Any]] = [
            {
                "column": name[:80] if name.isprintable() else ascii(name)[1:81],
                "rule": "unknown_column",
                "count": 1,
                "positions": [],
                "remedy": "remove the column: it is not in the contract",
            }
            for name in unknown[:20]
        ]
        detail = "the table has columns that the contract does not know"
        raise Problem(422, "contract", detail, violations=violations)
    repeated = {name for name in schema.names if schema.names.count(name) > 1}
    composed = {field.name for field in schema if not _is_scalar(field.type)}
    if repeated or composed:
        composite = [
            Violation(name, rule, 1).to_dict()
            for names, rule in ((repeated, "duplicate_column"), (composed, "scalar_type"))
            for name in sorted(names)
        ]
        detail = "the table has repeated columns, or nested, run-end encoded or extension types"
        raise Problem(422, "contract", detail, violations=composite)


def _is_scalar(kind: pa.DataType) -> bool:
    """Return whether a type is of single values, plain or in a dictionary."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return not pa.types.is_dictionary(kind.value_type) and _is_scalar(kind.value_type)
    return not (
        pa.types.is_nested(kind)
        or pa.types.is_run_end_encoded(kind)
        or isinstance(kind, pa.BaseExtensionType)
    )


def _expanded_bytes(array: pa.Array) -> int:
    """Return the size of a column once each row has a value of its own."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        rows = array.indices.drop_null().to_numpy(zero_copy_only=False)
        return int(_value_bytes(array.dictionary)[rows].sum())
    if pa.types.is_string_view(array.type) or pa.types.is_binary_view(array.type):
        return int(_value_bytes(array).sum())
    return int(array.nbytes)


def _value_bytes(array: pa.Array) -> NDArray[np.int64]:
    """Return the size of each value, (n,)."""
    import pyarrow as pa

    kind, start, end = array.type, array.offset, array.offset + len(array)
    if start == end:
        return np.zeros(0, dtype=np.int64)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        # A view is 16 bytes; the first 4 are the length of the value.
        views = np.frombuffer(array.buffers()[1], dtype="<i4", count=4 * end)
        return views.reshape(-1, 4)[start:end, 0].astype(np.int64)
    offsets = {"string": "<i4", "binary": "<i4", "large_string": "<i8", "large_binary": "<i8"}
    if str(kind) in offsets:
        ends = np.frombuffer(array.buffers()[1], dtype=offsets[str(kind)], count=end + 1)
        return ends[start + 1 :].astype(np.int64) - ends[start:-1].astype(np.int64)
    return np.full(end - start, _FIXED_BYTES, dtype=np.int64)


def _read(raw: bytes, model: RetentionModel, max_rows: int, max_bytes: int) -> pa.Table:
    import pyarrow as pa

    try:
        _refuse_compressed(raw)
        with pa.ipc.open_stream(pa.BufferReader(raw)) as reader:
            _refuse_columns(reader.schema, model)
            batches = []
            rows = size = 0
            for batch in reader:
                rows += batch.num_rows
                if rows > max_rows:
                    raise _row_count_problem(max_rows)
                # Offsets and lengths come from outside: check them before anything follows them.
                batch.validate(full=True)
                size += sum(map(_expanded_bytes, batch.columns))
                if size > max_bytes:
                    detail = f"the table expands to more than {max_bytes:,} bytes: send fewer rows"
                    raise Problem(413, "too-large", detail)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
            # Names that are not UTF-8 fail when they are first read.
            empty = not table.column_names or not table.num_rows
    except (pa.ArrowException, OSError, EOFError, struct.error, IndexError, ValueError):
        raise Problem(400, "not-arrow", "the body is not an Arrow stream") from None
    if empty:
        raise _row_count_problem(max_rows)
    return table


def _row_count_problem(max_rows: int) -> Problem:
    violation = {
        "column": "",
        "rule": f"max_rows({max_rows})",
        "count": 1,
        "positions": [],
        "remedy": f"send 1 to {max_rows:,} customers per request",
    }
    return Problem(422, "shape", "the table has too few or too many rows", violations=[violation])


def _refuse_compressed(raw: bytes) -> None:
    """Refuse compressed buffers: a small body could expand to any size.

    Arrow has no switch for that, so this reads the flatbuffers of the messages' metadata, which
    Arrow has verified.
    """
    import pyarrow as pa

    for number, message in enumerate(pa.ipc.MessageReader.open_stream(pa.BufferReader(raw))):
        if number > _MAX_MESSAGES:
            detail = f"the stream has more than {_MAX_MESSAGES:,} batches: send larger ones"
            raise Problem(413, "too-large", detail)
        metadata = message.metadata.to_pybytes()
        root = struct.unpack_from("<I", metadata, 0)[0]
        kind = _scalar(metadata, root, 1, "<B")
        if kind not in {_DICTIONARY, _BATCH}:
            continue
        batch = _table(metadata, root, 2)
        if kind == _DICTIONARY and batch is not None:
            batch = _table(metadata, batch, 1)
        if batch is not None and _field_offset(metadata, batch, 3) is not None:
            raise Problem(415, "media-type", "send the Arrow stream without buffer compression")


def _field_offset(buffer: bytes, table: int, field: int) -> int | None:
    """Return the offset of a field of a flatbuffer's table; None where it has its default."""
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    size = struct.unpack_from("<H", buffer, vtable)[0]
    entry = 4 + 2 * field
    if entry + 2 > size:
        return None
    offset = struct.unpack_from("<H", buffer, vtable + entry)[0]
    return table + offset if offset else None


def _scalar(buffer: bytes, table: int, field: int, form: str) -> Any:
    offset = _field_offset(buffer, table, field)
    return 0 if offset is None else struct.unpack_from(form, buffer, offset)[0]


def _table(buffer: bytes, table: int, field: int) -> int | None:
    offset = _field_offset(buffer, table, field)
    return None if offset is None else offset + struct.unpack_from("<I", buffer, offset)[0]
