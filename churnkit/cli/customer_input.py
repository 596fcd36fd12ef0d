"""Customers as a command names them: a source with one row per customer, or raw tables and a date."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from churnkit.cli.output import print_status
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.timeline import Timeline

__all__ = ["CustomerInput", "name_sheet", "print_default_date", "trained_sheet"]

# Stands for the name of the table in a single file, which the model knows.
_ONLY_TABLE = ""


def name_sheet(
    source: str, contract: Contract, purpose: Purpose = "predict", *, known: str | None = None
) -> str:
    """Add the sheet to the name of a workbook, by the columns of a contract.

    Parameters
    ----------
    source
        Any source.
    contract
        It names the columns.
    purpose
        What the columns are for.
    known
        The sheet, or the table of a database file, that the model was trained on.

    Returns
    -------
    str
        ``FILE.xlsx#SHEET`` for a workbook with several sheets, ``FILE.sqlite#TABLE`` for a database
        file of which one table has the columns, or that of training, other sources as they are.
    """
    from churnkit.core.io.formats.excel_tables import find_sheet, has_sheets
    from churnkit.core.io.query import has_tables

    if has_tables(source):
        table = _find_table(source, contract, purpose, known=known)
        return source if table is None else f"{source}#{table}"
    if not has_sheets(source):
        return source
    sheet = find_sheet(
        source, lambda columns: not contract.missing_columns(purpose, columns), known=known
    )
    print_status(f"sheet '{sheet}' of {Path(source).name} is read")
    return f"{source}#{sheet}"


def _find_table(
    source: str, contract: Contract, purpose: Purpose, *, known: str | None
) -> str | None:
    """Choose the table of a database file by its columns; None if none or several have them."""
    from churnkit.core.io.locations import parse_location
    from churnkit.core.io.query import database_tables
    from churnkit.core.io.table_sources import open_rows, open_source

    fitting = [
        name
        for name in database_tables(parse_location(source).path, name=source)
        if not contract.missing_columns(purpose, open_rows(open_source(f"{source}#{name}")).columns)
    ]
    if known not in fitting and len(fitting) != 1:
        return None
    table = known if known in fitting else fitting[0]
    print_status(f"table '{table}' of {Path(source).name} is read")
    return table


def print_default_date(
    contract: Contract,
    columns: Iterable[str],
    name: str,
    *,
    option: str = "--as-of YYYY-MM-DD, or ",
) -> None:
    """Print the date up to which days of a table are counted that does not state its own."""
    as_of, names = contract.as_of, set(columns)
    if as_of is None or not as_of.default or not contract.date_features or as_of.name in names:
        return
    if not contract.missing_columns("predict", names):
        print_status(
            f"dates are counted up to {as_of.default}, the day of the training table: if {name} is of "
            f"another day, add {option}the column '{as_of.name}'"
        )


def trained_sheet(model: RetentionModel) -> str | None:
    """Return the sheet of the workbook that a model was trained on, if it was one."""
    sheet: str | None = model.manifest.lineage.get("sheet") if model.manifest else None
    return sheet


def _open_rows(source: str, sql: str | None) -> Any:
    """Open a file of rows; None where the contract chooses the sheet, or the id of joined files."""
    from churnkit.core.io.formats.excel_tables import has_sheets
    from churnkit.core.io.query import has_tables
    from churnkit.core.io.table_sources import open_source, several_files

    files = several_files(source) if sql is None else None
    if files is None:
        is_chosen_later = sql is None and (has_sheets(source) or has_tables(source))
        return None if is_chosen_later else open_source(source, sql=sql)
    # A file that cannot be read is refused before a model is loaded.
    if files and not has_sheets(files[0]):
        open_source(files[0])
    return None


def _name_dated(opened: Any, timeline: Timeline) -> dict[str, Path]:
    """Name files with a date after the tables of a timeline that read it."""
    from churnkit.core.io.formats.file_names import FILE_DATE
    from churnkit.core.io.raw_tables import name_numbered

    dated = {
        name for table in timeline.tables if FILE_DATE in table.times for name in table.sources
    }
    return name_numbered(opened, dated)


@dataclass(frozen=True, slots=True)
class CustomerInput:
    """Arguments that select customers.

    Parameters
    ----------
    customers
        A source for `churnkit.batch.open_source`, or with `as_of` a folder of raw tables.
    sql
        A query, for a database.
    tables
        Raw tables as ``NAME=FILE``.
    as_of
        The date at which customers' rows are built from raw tables, or up to which days are
        counted.
    """

    customers: str | None
    sql: str | None
    tables: list[str] | None
    as_of: str | None

    def open(self) -> Any:
        """Open the source or find the raw tables, before a model is loaded.

        Raises
        ------
        ChurnkitError
            If the arguments contradict each other, or a file does not exist.
        """
        tables = tuple(self.tables or ())
        if self.as_of is None:
            if tables:
                raise ChurnkitError("raw tables need a date: add --as-of YYYY-MM-DD")
            if self.customers is None:
                raise typer.BadParameter("name a file, or raw tables with --as-of and --table.")
            return _open_rows(self.customers, self.sql)
        if self.sql is not None:
            raise ChurnkitError("--sql and --as-of cannot be combined: raw tables are files")
        return self._find_raw_tables(tables)

    def _find_raw_tables(self, tables: tuple[str, ...]) -> dict[str, Path]:
        """Find the raw tables, or none where the source can only be rows of customers."""
        from churnkit.core.io.formats.excel_tables import split_workbook
        from churnkit.core.io.locations import parse_location
        from churnkit.core.io.raw_tables import find_several, find_tables
        from churnkit.core.io.table_sources import is_pattern

        if self.customers is None:
            if not tables:
                raise ChurnkitError("--as-of needs raw tables: name a folder, or --table NAME=FILE")
            return find_tables(None, tables)
        location = parse_location(self.customers)
        if not (tables or location.is_local):
            return {}  # no raw tables, but maybe rows whose days are counted up to the date
        if not Path(self.customers).is_dir():
            parts = split_workbook(Path(self.customers))
            several = find_several(parts)
            if several is not None:
                return several | (find_tables(None, tables) if tables else {})
            is_file = location.path.is_file()
            if not tables and (is_file or is_pattern(self.customers)):
                # The model's timeline names the table.
                return {_ONLY_TABLE: parts[0]}
            raise ChurnkitError(self._not_a_folder)
        return find_tables(Path(self.customers), tables)

    @contextmanager
    def rows(
        self,
        opened: Any,
        model: RetentionModel,
        *,
        labeled: bool = False,
        output: str | None = None,
    ) -> Iterator[Any]:
        """Yield a source with one row per customer; rows built from raw tables are temporary.

        An output that is one of the raw tables or in their folder is refused.
        """
        from churnkit.core.io.table_sources import open_source

        timeline = model.contents.timeline
        is_dated = self.has_dated_rows(model)
        if self.as_of is None or is_dated:
            sheet = trained_sheet(model)
            purpose: Purpose = "train" if labeled else "predict"
            if is_dated and self.as_of is not None:
                opened = _open_rows(str(self.customers), self.sql)
            with self.suggest_date(model.contract, timeline):
                rows = self.sheet(opened, model.contract, purpose, known=sheet, timeline=timeline)
                yield self.date_rows(rows, model.contract) if is_dated else rows
            return
        if not opened:
            raise ChurnkitError(self._not_a_folder)
        from churnkit.batch import snapshot_file
        from churnkit.batch.io.outputs import refuse_raw_table

        if output is not None:
            refuse_raw_table([*opened.values(), *filter(None, [self.customers])], output)
        tables = self.name_table(opened, model.contents.timeline)
        with snapshot_file(
            model, tables, as_of=self.as_of, labeled=labeled, announce=print_status
        ) as file:
            print_status(f"customers' rows as of {self.as_of} were built from raw tables")
            yield open_source(file)

    def has_dated_rows(self, model: RetentionModel) -> bool:
        """Return whether the source is rows of which a model counts days to a date that they may lack."""
        contract = model.contract
        is_file = self.customers is not None and not self.tables and self.sql is None
        has_default = contract.as_of is not None and contract.as_of.default is not None
        return is_file and has_default and bool(contract.date_features)

    def date_rows(self, rows: Any, contract: Contract) -> Any:
        """Add the date of the rows, or print the one of the training table that stands for it.

        Raises
        ------
        ChurnkitError
            If the rows have dates and another one is given.
        """
        import pyarrow as pa

        from churnkit.contracts.parsing.scalars import read_date
        from churnkit.core.io.source_files import PartitionFile
        from churnkit.core.io.table_sources import open_rows

        as_of = contract.as_of
        source = open_rows(rows)
        if as_of is None or as_of.name in source.columns:
            if self.as_of is not None:
                raise ChurnkitError(
                    f"{self.name} has the date of its rows in the column '{as_of and as_of.name}': leave out "
                    "--as-of"
                )
            return rows
        if self.as_of is not None:
            if not isinstance(read_date(self.as_of), int):
                raise ChurnkitError("--as-of must be a date as YYYY-MM-DD")
            return PartitionFile(source, ((as_of.name, pa.scalar(self.as_of)),))
        print_default_date(contract, source.columns, self.name)
        return rows

    @contextmanager
    def suggest_date(self, contract: Contract, timeline: Timeline | None) -> Iterator[None]:
        """Name --as-of as the remedy where raw tables are read as customers' rows.

        Parameters
        ----------
        contract
            Contract of the rows.
        timeline
            The timeline that builds them; None for a prepared table.
        """
        from churnkit.errors import DataError

        try:
            yield
        except DataError as error:
            missing = [v for v in error.violations if getattr(v, "rule", "") == "missing_column"]
            if timeline is None or 2 * len(missing) <= len(contract.required("predict")):
                raise
            raise ChurnkitError(self._describe_date(contract, timeline, len(missing))) from None

    def check_columns(
        self, contract: Contract, timeline: Timeline | None, columns: Iterable[str]
    ) -> None:
        """Refuse raw tables in place of customers' rows; see `suggest_date`."""
        from churnkit.errors import DataError

        if missing := contract.missing_columns("predict", columns):
            with self.suggest_date(contract, timeline):
                if timeline is not None:
                    raise DataError(self.name, missing)

    def _describe_date(self, contract: Contract, timeline: Timeline, missing: int) -> str:
        from churnkit.core.io.formats.file_names import FILE_DATE, file_dates

        names = sorted({source for table in timeline.tables for source in table.sources})
        dates = file_dates([Path(self.customers or "").name], "*")
        day = "YYYY-MM-DD"
        if dates and any(FILE_DATE in table.times for table in timeline.tables):
            day = f"{dates[0] + timedelta(days=1)}, the day after the date in its name"
        where = f"if this is the table '{names[0]}', add --as-of {day}"
        if self.sql is not None:
            where = (
                "--sql must return these rows; or save the raw tables as files, and name their folder with "
                f"--as-of {day}"
            )
        elif len(names) > 1:
            tables = " ".join(f"--table {name}=FILE" for name in names)
            where = f"add --as-of {day} to the folder of its tables, or to {tables}"
        return (
            f"{self.name} lacks {missing:,} of {len(contract.required('predict')):,} columns: the model "
            f"reads rows that are built from raw tables ({', '.join(names)}) at a date; {where}"
        )

    @property
    def _not_a_folder(self) -> str:
        return (
            f"{self.customers} is not a folder: with --as-of name a folder of raw tables, a database "
            "file or a workbook of them, or each table with --table NAME=FILE"
        )

    def has_raw_tables(self, model: RetentionModel) -> bool:
        """Return whether the source is the raw tables of a model's timeline, or customers' rows."""
        from churnkit.core.io.locations import parse_location
        from churnkit.core.io.table_sources import is_pattern, open_rows, open_source

        timeline = model.contents.timeline
        if self.tables:
            return True
        if self.as_of is None or timeline is None or self.sql is not None:
            return False
        location = parse_location(self.customers or "-")
        is_files = is_pattern(self.customers or "-")
        if self.customers is None or not (
            is_files or (location.is_local and location.path.exists())
        ):
            return False
        opened = self.open()
        names = {source for table in timeline.tables for source in table.sources}
        if _ONLY_TABLE not in opened:
            return bool(names & set(_name_dated(opened, timeline)))
        try:
            columns = open_rows(open_source(self.customers)).columns
        except ChurnkitError:
            if is_files:  # files of a pattern are joined by the contract's id
                return False
            raise
        keys = {table.entity for table in timeline.tables}
        keys |= {table.happened for table in timeline.tables if table.happened is not None}
        return (
            len(names) == 1
            and keys <= set(columns)
            and bool(model.contract.missing_columns("predict", columns))
        )

    def name_table(self, opened: Any, timeline: Timeline | None) -> Any:
        """Name a single file after the only table that a timeline reads, or after its own table.

        A file that is named after its table is printed.
        """
        if timeline is None:
            return opened
        names = {source for table in timeline.tables for source in table.sources}
        if _ONLY_TABLE not in opened:
            named = _name_dated(opened, timeline)
            for name in sorted(set(named) - set(opened)):
                print_status(f"table '{name}' is read from {Path(named[name]).name}")
            return named
        if len(names) != 1:
            raise ChurnkitError(self._not_a_folder)
        return dict.fromkeys(names, opened[_ONLY_TABLE])

    def sheet(
        self,
        opened: Any,
        contract: Contract,
        purpose: Purpose,
        *,
        known: str | None = None,
        timeline: Timeline | None = None,
    ) -> Any:
        """Open several files, or the sheet of a workbook; any other source is open already."""
        from churnkit.core.io.table_sources import describe_join, open_source

        if opened is not None or self.customers is None:
            return opened
        entity = contract.entity.name
        if text := describe_join(self.customers, entity):
            print_status(text)
        try:
            sheet = name_sheet(self.customers, contract, purpose, known=known)
        except ChurnkitError as error:
            if timeline is None:
                raise
            raise ChurnkitError(
                f"{error}; or, if these are the raw tables of the model, add --as-of YYYY-MM-DD"
            ) from None
        return open_source(sheet, entity=entity)

    @property
    def name(self) -> str:
        """Name of the source, for messages."""
        return "the raw tables" if self.customers is None else Path(self.customers).name

    def __str__(self) -> str:
        """Format as arguments of another command."""
        parts = [] if self.customers is None else [shlex.quote(self.customers)]
        parts += [f"--sql {shlex.quote(self.sql)}"] if self.sql else []
        parts += [f"--table {shlex.quote(table)}" for table in self.tables or ()]
        return " ".join([*parts, *([f"--as-of {self.as_of}"] if self.as_of else [])])
