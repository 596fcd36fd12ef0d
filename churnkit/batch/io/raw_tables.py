"""Raw tables in files, and the customers' rows that a model's timeline makes of them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churnkit.batch.io.table_file import open_table, read_table
from churnkit.contracts.parsing.scalars import BLANKS
from churnkit.errors import ChurnkitError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from churnkit.bundle.model import RetentionModel

__all__ = ["find_tables", "raw_table", "snapshot_file"]

_ENDINGS = {".csv", ".tsv", ".txt", ".parquet", ".pq"}


def find_tables(folder: Path | None, named: Sequence[str] = ()) -> dict[str, Path]:
    """Find raw tables: the files of a folder by their names, and those that are named.

    Parameters
    ----------
    folder
        Each .csv or .parquet file in it is a table, and each folder of .parquet files.
    named
        ``"events=log.parquet"``; they come before the folder's.

    Raises
    ------
    ChurnkitError
        If something is no table, or two files of the folder have one name.

    Examples
    --------
    >>> find_tables(None, ["events=/data/log.parquet"])
    {'events': PosixPath('/data/log.parquet')}
    """
    tables: dict[str, Path] = {}
    for pair in named:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise ChurnkitError(f"--table {pair}: write it as NAME=FILE")
        tables[name] = Path(file)
    if folder is None:
        return tables
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        is_table = path.suffix.lower() in _ENDINGS if path.is_file() else _holds_parquet(path)
        if not is_table or path.name.startswith("."):
            continue
        if path.stem in found:
            raise ChurnkitError(
                f"{folder} holds table '{path.stem}' twice, as {found[path.stem].name} and "
                f"{path.name}: say which with --table {path.stem}=FILE"
            )
        found[path.stem] = path
    if not found and not tables:
        raise ChurnkitError(f"{folder} holds no .csv or .parquet file: name a folder with tables")
    return found | tables


def _holds_parquet(path: Path) -> bool:
    return path.is_dir() and any(path.rglob("*.parquet"))


def raw_table(path: Path) -> Any:
    """Give a file to a timeline: as it is where DuckDB reads it so, else read here.

    Raises
    ------
    ChurnkitError
        If the file cannot be read.
    """
    if path.is_dir() or path.suffix.lower() in {".parquet", ".pq"}:
        return path
    file = open_table(path)
    dialect = file.dialect
    plain = dialect is not None and dialect.encoding == "utf8" and dialect.delimiter == ","
    return path if plain and path.suffix.lower() == ".csv" else _trimmed(read_table(path))


def _trimmed(table: pa.Table) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pa.table(
        {name: pc.utf8_trim(table[name], characters=BLANKS) for name in table.column_names}
    )


@contextmanager
def snapshot_file(
    model: RetentionModel,
    tables: dict[str, Path],
    *,
    as_of: str,
    progress: Callable[[str, float], None] | None = None,
) -> Iterator[Path]:
    """Make the customers' rows at a date, by the plan of the training, in a file for a while.

    Parameters
    ----------
    model
        Trained on a timeline.
    tables
        From `find_tables`; more than the plan reads may be there.
    as_of
        The date; rows known strictly before it are seen.
    progress
        Called with the step and the share that is done.

    Raises
    ------
    RecipeError
        If the model was trained on a ready table.
    DataError
        If a table is missing or does not fit the plan.
    """
    import tempfile

    from churnkit.timeline import build_to

    plan = model.parts.timeline
    if plan is None:
        raise RecipeError(
            f"model '{model.name}' was trained on a ready table and has no plan for raw tables: "
            "give it a file with that table's columns, and no --as-of"
        )
    read = {table.source for table in plan.tables}
    given = {name: raw_table(path) if name in read else path for name, path in tables.items()}
    with tempfile.TemporaryDirectory(prefix="churnkit-") as aside:
        file = Path(aside) / "customers.parquet"
        build_to(file, plan.at(as_of), given, progress=progress)
        yield file
