"""Bodies of responses as JSON-able rows: JSON, JSON lines, CSV, and zipped JSON lines."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import Any, Literal

from churnkit.errors import ConnectError

__all__ = ["BodyFormat", "parse_body"]

BodyFormat = Literal["json", "jsonl", "csv", "zip", "table"]
_CSV_FIELD = 1 << 24


def parse_body(body: bytes, kind: BodyFormat, name: str) -> Any:
    r"""Parse a body; rows of CSV and JSON lines are a list of objects.

    Parameters
    ----------
    body
        The complete body.
    kind
        ``"json"``, ``"jsonl"``, ``"csv"``, or ``"zip"`` for a zip archive of JSON lines (gzipped or
        not), JSON or CSV. ``"table"`` is read without a body.
    name
        Name of the endpoint, for messages.

    Returns
    -------
    object
        JSON-able data.

    Raises
    ------
    ConnectError
        If the body is not of this format.

    Examples
    --------
    >>> parse_body(b'{"a": 1}\n{"a": 2}\n', "jsonl", "export")
    [{'a': 1}, {'a': 2}]
    >>> parse_body(b"Id,Name\n1,\n", "csv", "export")
    [{'Id': '1', 'Name': None}]
    """
    try:
        if kind == "json":
            return json.loads(body) if body else {}
        if kind == "jsonl":
            return _lines(body)
        if kind == "csv":
            return _table(body)
        return _archive(body)
    except (ValueError, OSError, csv.Error, zipfile.BadZipFile, EOFError, RuntimeError):
        raise ConnectError(
            f"{name}: the answer is not {kind}: check base_url, and that no proxy replaces it"
        ) from None


def _lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def _table(body: bytes) -> list[dict[str, Any]]:
    # The limit belongs to the process: other readers rely on the one before.
    before = csv.field_size_limit(_CSV_FIELD)
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header, *rows = list(reader) or [[]]
    finally:
        csv.field_size_limit(before)
    if any(len(cells) != len(header) for cells in rows):
        raise ValueError
    return [{key: cell or None for key, cell in zip(header, cells, strict=True)} for cells in rows]


def _archive(body: bytes) -> list[Any]:
    rows: list[Any] = []
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith("/"):
                continue
            content = archive.read(name)
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            if name.endswith(".csv"):
                rows += _table(content)
            elif content.lstrip()[:1] == b"[":
                rows += json.loads(content)
            elif name.endswith(".json") and b"\n{" not in content.strip():
                document = json.loads(content)
                rows += document.get("responses", [document])
            else:
                rows += _lines(content)
    return rows
