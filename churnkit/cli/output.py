"""Print results on stdout, and progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = [
    "print_error",
    "print_json",
    "print_next",
    "print_result",
    "print_status",
    "print_table",
    "progress_bar",
]

_WIDTH_OF_FILES = 1000


def print_status(text: str) -> None:
    """Print a line of progress on stderr."""
    _print_stderr("[dim]·[/dim] ", text)


def print_error(text: str) -> None:
    """Print an error message on stderr."""
    _print_stderr("[bold red]churnkit:[/bold red] ", text)


def print_next(*commands: str) -> None:
    """Print the commands to run next, on stderr."""
    for command in commands:
        _print_stderr("[dim]next:[/dim] ", command)


def _print_stderr(mark: str, text: str) -> None:
    # Rich takes a tenth of a second to import: only what prints with it pays.
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, highlight=False, soft_wrap=True).print(f"{mark}{escape(text)}")


def print_result(
    data: Mapping[str, Any] | Sequence[Any],
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    as_json: bool,
) -> None:
    """Print a result as JSON or as a table."""
    if as_json:
        print_json(data)
    else:
        print_table(title, columns, rows)


def print_json(data: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a result as JSON."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a result as a table; columns of numbers are aligned to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for position, name in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[position]) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # A file or a pipe has no width at which to break names.
        console.width = _WIDTH_OF_FILES
    console.print(table)


def _is_number(cell: Any) -> bool:
    text = str(cell).replace(",", "").removesuffix("%").strip()
    return text.replace(".", "", 1).removeprefix("-").removeprefix("+").isdigit()


@contextmanager
def progress_bar(description: str, total: int | None) -> Iterator[Any]:
    """Show a progress bar on a terminal; yields a function that takes the number of rows done."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)
