"""Files with one row per customer, joined by the customer's id."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from churnkit.core.io.formats.file_names import find_numbered
from churnkit.core.io.formats.signature import table_stem
from churnkit.core.io.source_files import BatchSource, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["CustomerFiles", "find_customer_files"]

_MIN_ROWS = 20
# Share of a file's ids that the file with the most rows must have.
_MIN_INCLUDED = 0.9


@dataclass(frozen=True)
class CustomerFiles:
    """Files with one row per customer.

    Parameters
    ----------
    keys
        Column of the customer's id by file, the file with the most rows first.
    columns
        Names in the joined table by file and column; columns of one name have that of their file before it.
    left_out
        Names of files without the id.
    """

    keys: dict[str, str]
    columns: dict[str, dict[str, str]]
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        """Describe the files and the names of their columns."""
        (first, *others), key = map(_base, self.keys), next(iter(self.keys.values()))
        rest = ", ".join(others)
        renamed = [
            name
            for names in self.columns.values()
            for column, name in names.items()
            if column != name
        ]
        text = f"{first} is joined with {rest} by '{key}', which each has once for a customer"
        if renamed:
            text += f"; columns of equal names are {', '.join(map(repr, renamed))}"
        if self.left_out:
            text += f"; left out, as they lack '{key}': {', '.join(map(_base, self.left_out))}"
        return text

    def join(self, name: str, files: Sequence[Source]) -> Source:
        """Return a source with a row for each customer of any file, blank where a file lacks it."""
        by_name = {file.name: file for file in files}
        opened = [by_name[each] for each in self.keys]

        def read(columns: list[str]) -> Iterator[pa.Table]:
            yield self._read(opened).select(columns)

        key = next(iter(self.keys.values()))
        names = [key, *(new for each in self.columns.values() for new in each.values())]
        fingerprint = [["joined", name], *(entry for file in opened for entry in file.fingerprint)]
        paths = tuple(path for file in opened for path in file.paths)
        return BatchSource(name, tuple(names), paths, fingerprint, read)

    def _read(self, files: Sequence[Source]) -> pa.Table:
        ids = {file.name: _ids(file, self.keys[file.name]) for file in files}
        customers = list(dict.fromkeys(each for listed in ids.values() for each in listed))
        arrays = {self.keys[files[0].name]: pa.array(customers, pa.string())}
        for file in files:
            rows = {each: row for row, each in enumerate(ids[file.name])}
            positions = pa.array([rows.get(each) for each in customers], pa.int64())
            names = self.columns[file.name]
            table = _read_all(file, list(names)).take(positions)
            arrays |= {new: table[column] for column, new in names.items()}
        return pa.table(arrays)


def find_customer_files(files: Sequence[Source]) -> CustomerFiles | None:
    """Find the id by which files of different columns can be joined, one row each.

    It has the same name in each file but for case and separators, no blank, a different value in each
    row, and values that the file with the most rows has, too.

    Parameters
    ----------
    files
        Opened files.

    Returns
    -------
    CustomerFiles or None
        None for files of one table, and where a file has several rows per customer.
    """
    names = [file.name for file in files]
    if len(files) < 2 or len(set(names)) < len(names) or find_numbered(map(_base, names)):
        return None
    plain = {file.name: {_plain(column): column for column in file.columns} for file in files}
    counts = Counter(name for each in plain.values() for name in each)
    for name, count in counts.most_common():
        if count < 2:
            break
        keyed = [file for file in files if name in plain[file.name]]
        ids = {file.name: _ids(file, plain[file.name][name]) for file in keyed}
        if not _are_joined(list(ids.values())):
            continue
        ordered = sorted(keyed, key=lambda file: -len(ids[file.name]))
        keys = {file.name: plain[file.name][name] for file in ordered}
        left_out = tuple(each for each in names if each not in keys)
        return CustomerFiles(keys, _name_columns(ordered, keys), left_out)
    return None


def _are_joined(files: Sequence[Sequence[str]]) -> bool:
    sets = [set(ids) for ids in files]
    if any(
        len(ids) < _MIN_ROWS or "" in distinct for ids, distinct in zip(files, sets, strict=True)
    ):
        return False
    if any(len(distinct) < len(ids) for ids, distinct in zip(files, sets, strict=True)):
        return False
    most = max(sets, key=len)
    return all(len(each & most) >= _MIN_INCLUDED * len(each) for each in sets)


def _name_columns(files: Sequence[Source], keys: dict[str, str]) -> dict[str, dict[str, str]]:
    """Name the columns of all files, with the name of the file before equal ones."""
    own = {
        file.name: [
            column for column in file.columns if column != keys[file.name] and column.strip()
        ]
        for file in files
    }
    counts = Counter(column for columns in own.values() for column in columns)
    taken = {column for column, count in counts.items() if count == 1} | {next(iter(keys.values()))}
    named: dict[str, dict[str, str]] = {}
    for file, columns in own.items():
        named[file] = {}
        for column in columns:
            name = column if counts[column] == 1 and column not in keys.values() else ""
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


def _ids(file: Source, key: str) -> list[str]:
    """Return the ids of a file as trimmed texts; whole numbers without a fraction."""
    column = _read_all(file, [key])[key]
    if pa.types.is_floating(column.type):
        column = pc.cast(column, pa.int64(), safe=False)
    texts = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    return [text or "" for text in texts.to_pylist()]


def _read_all(file: Source, columns: list[str]) -> pa.Table:
    tables = list(file.batches(columns))
    if not tables:
        return pa.table({column: pa.array([], pa.string()) for column in columns})
    return pa.concat_tables(tables, promote_options="permissive")
