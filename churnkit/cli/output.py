"""What a person sees: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["counting", "print_json", "print_next", "print_table", "say", "say_error"]


def say(text: str) -> None:
    """Tell a person, on stderr, what is going on."""
    _tell("[dim]·[/dim] ", text)


def _tell(mark: str, text: str) -> None:
    from rich.markup import escape

    _on_stderr().print(f"{mark}{escape(text)}")


def _on_stderr() -> Console:
    # Rich takes a tenth of a second to import: only what prints with it pays.
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def say_error(text: str) -> None:
    """Say what was refused, on stderr."""
    _tell("[bold red]churnkit:[/bold red] ", text)


def print_json(data: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print a result as JSON, for programs."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a result as a table, for people; numbers stand to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for position, name in enumerate(columns):
        numbers = all(_is_number(row[position]) for row in rows)
        table.add_column(name, justify="right" if rows and numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    Console(highlight=False).print(table)


def _is_number(cell: Any) -> bool:
    text = str(cell).replace(",", "").removesuffix("%").strip()
    return text.replace(".", "", 1).removeprefix("-").removeprefix("+").isdigit()


def print_next(*commands: str) -> None:
    """Name, on stderr, what to type next."""
    for command in commands:
        _tell("[dim]next:[/dim] ", command)


@contextmanager
def counting(what: str, total: int | None) -> Iterator[Any]:
    """Show at a terminal how many rows are done; yields a function to call with the number."""
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
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
