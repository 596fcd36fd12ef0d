"""Files with one row per customer, joined by the customer's id."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.core.io.formats.file_names import find_numbered
from churnkit.core.io.formats.signature import table_stem
from churnkit.core.io.source_files import BatchSource, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CustomerFiles", "find_customer_files", "read_ids", "shared_columns"]

# Share of two files' other columns that both have, above which they are parts of one table.
_MAX_SHARED = 0.5
# Floating numbers below it hold whole numbers exactly.
_EXACT = 2.0**53


@dataclass(frozen=True)
class CustomerFiles:
    """Files with one row per customer.

    Parameters
    ----------
    entity
        Name of the customer's id in the joined table.
    files
        The files with the id.
    keys
        Column of the id by file.
    columns
        Names in the joined table by file and column; columns of one name have that of their file before it.
    left_out
        Names of files without the id.
    """

    entity: str
    files: tuple[Source, ...]
    keys: dict[str, str]
    columns: dict[str, dict[str, str]]
    left_out: tuple[str, ...]

    def describe(self) -> str:
        """Read the ids, and describe the files, renamed columns and customers without a row in each."""
        first, *others = map(_base, self.keys)
        parts = [f"{first} is joined with {', '.join(others)} by '{self.entity}'"]
        pairs = [pair for names in self.columns.values() for pair in names.items()]
        if renamed := [repr(name) for column, name in pairs if column != name]:
            parts.append(f"columns of equal names are {', '.join(renamed)}")
        if self.left_out:
            files = ", ".join(map(_base, self.left_out))
            parts.append(f"left out, as they lack '{self.entity}': {files}")
        rows = self._rows()
        customers = len({each for ids in rows.values() for each in ids} - {""})
        for name, ids in rows.items():
            blank = len(ids.pop("", ()))
            repeated = sum(len(positions) > 1 for positions in ids.values())
            if lacking := customers - len(ids):
                parts.append(f"customers not in {_base(name)}, blank in its columns: {lacking:,}")
            if repeated:
                parts.append(f"customers with several rows in {_base(name)}: {repeated:,}")
            if blank:
                parts.append(f"rows of {_base(name)} without '{self.entity}': {blank:,}")
        return "; ".join(parts)

    def ids(self) -> dict[str, list[str]]:
        """Return the ids of each file, in the order of its rows; empty where blank."""
        return {file.name: read_ids(file, self.keys[file.name]) for file in self.files}

    def join(self, name: str) -> Source:
        """Return a source with all customers of any file, blank where a file lacks them.

        A customer with several rows in a file has several rows, so that the checks find them.
        """

        def read(columns: list[str]) -> Iterator[pa.Table]:
            yield self._read().select(columns)

        names = [self.entity, *(new for each in self.columns.values() for new in each.values())]
        entries = (entry for file in self.files for entry in file.fingerprint)
        paths = tuple(path for file in self.files for path in file.paths)
        fingerprint = [["joined", name, self.entity], *entries]
        return BatchSource(name, tuple(names), paths, fingerprint, read)

    def _rows(self) -> dict[str, dict[str, list[int]]]:
        """Return the rows of each id by file."""
        rows: dict[str, dict[str, list[int]]] = {}
        for name, ids in self.ids().items():
            rows[name] = {}
            for row, each in enumerate(ids):
                rows[name].setdefault(each, []).append(row)
        return rows

    def _read(self) -> pa.Table:
        rows = self._rows()
        blanks = {name: ids.pop("", []) for name, ids in rows.items()}
        ids: list[str | None] = []
        copies: list[int] = []
        for customer in dict.fromkeys(each for found in rows.values() for each in found):
            count = max(len(found.get(customer, ())) for found in rows.values())
            ids += [customer] * count
            copies += range(count)
        named = len(ids)
        ids += [None] * sum(map(len, blanks.values()))
        arrays: dict[str, Any] = {self.entity: pa.array(ids, pa.string())}
        start = named
        for file in self.files:
            positions: list[int | None] = [None] * len(ids)
            for row, (each, copy) in enumerate(zip(ids[:named], copies, strict=True)):
                if found := rows[file.name].get(str(each)):
                    positions[row] = found[min(copy, len(found) - 1)]
            end = start + len(blanks[file.name])
            positions[start:end] = blanks[file.name]
            start = end
            names = self.columns[file.name]
            table = _read_all(file, list(names)).take(pa.array(positions, pa.int64()))
            arrays |= {new: table[column] for column, new in names.items()}
        return pa.table(arrays)


def find_customer_files(files: Sequence[Source], entity: str) -> CustomerFiles | None:
    """Find the files that are joined by the customer's id, from their names and columns alone.

    Parameters
    ----------
    files
        Opened files.
    entity
        The customer's id; files may write it with other case and separators.

    Returns
    -------
    CustomerFiles or None
        None for fewer than two files with the id, for numbered files, and for two files of which one
        has all columns of the other, or which share most of them: they are parts of one table.
    """
    names = [file.name for file in files]
    if len(files) < 2 or len(set(names)) < len(names) or find_numbered(map(_base, names)):
        return None
    keys: dict[str, str] = {}
    for file in files:
        candidates = [column for column in file.columns if _plain(column) == _plain(entity)]
        if candidates:
            keys[file.name] = entity if entity in candidates else candidates[0]
    keyed = tuple(file for file in files if file.name in keys)
    others = [{_plain(name) for name in file.columns} - {_plain(entity), ""} for file in keyed]
    if len(keyed) < 2 or any(
        one <= other or other <= one or len(one & other) > _MAX_SHARED * len(one | other)
        for one, other in combinations(others, 2)
    ):
        return None
    left_out = tuple(name for name in names if name not in keys)
    return CustomerFiles(entity, keyed, keys, _name_columns(keyed, keys, entity), left_out)


def shared_columns(files: Sequence[Source]) -> list[str]:
    """Return the columns that several files have but for case and separators, as first written."""
    written: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for file in files:
        plain = {_plain(column): column for column in file.columns if _plain(column)}
        counts.update(plain.keys())
        written = plain | written
    return [written[name] for name, count in counts.items() if count > 1]


def _name_columns(
    files: Sequence[Source], keys: dict[str, str], entity: str
) -> dict[str, dict[str, str]]:
    """Name the columns of all files, with the name of the file before equal ones."""
    own = {
        file.name: [
            column for column in file.columns if column != keys[file.name] and column.strip()
        ]
        for file in files
    }
    counts = Counter(column for columns in own.values() for column in columns)
    taken = {column for column, count in counts.items() if count == 1} | {entity}
    named: dict[str, dict[str, str]] = {}
    for file, columns in own.items():
        named[file] = {}
        for column in columns:
            name = column if counts[column] == 1 and column != entity else ""
            if not name:
                name = f"{table_stem(_base(file))}_{column}"
                while name in taken:
                    name += "_"
                taken.add(name)
            named[file][column] = name
    return named


def _base(name: str) -> str:
    """Return the name of a file without its folders."""
    return PurePath(name).name


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


def read_ids(file: Source, key: str) -> list[str]:
    """Return the ids of a file as trimmed texts, empty where blank; whole numbers without a fraction."""
    column = _read_all(file, [key])[key]
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
        is_whole = pc.and_(pc.less(pc.abs(column), _EXACT), pc.equal(pc.floor(column), column))
        if pc.all(is_whole).as_py() is not False:
            column = pc.cast(column, pa.int64())
    texts = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    return [text or "" for text in texts.to_pylist()]


def _read_all(file: Source, columns: list[str]) -> pa.Table:
    tables = list(file.batches(columns))
    if not tables:
        return pa.table({column: pa.array([], pa.string()) for column in columns})
    return pa.concat_tables(tables, promote_options="permissive")
