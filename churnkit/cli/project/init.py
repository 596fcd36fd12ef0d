"""``churnkit init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_json, print_next, print_table, say

if TYPE_CHECKING:
    from churnkit.pipeline.scaffold import DraftedProject

__all__ = ["init"]


def init(
    folder: Annotated[Path, typer.Argument(help="The project folder to make.")],
    source: Annotated[
        list[Path],
        typer.Option(
            "--from",
            help="A .csv or .parquet file, a row a customer; or raw tables: a log, a folder of "
            "files, or several --from.",
        ),
    ],
    entity: Annotated[
        str | None, typer.Option(help="The column that names the customer; default: guessed.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The column that says who left; default: guessed.")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(help="The label's value that means 'has left'; default: guessed."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The recipe's name; default: the file's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draft a project from your own files: schema, recipe and service; nothing is overwritten."""
    from churnkit.pipeline.scaffold import draft_project

    result = draft_project(
        folder, source, entity=entity, label=label, positive=positive, name=name, progress=say
    )
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
    for note in result.notes:
        say(note)
    for kept in result.kept:
        say(f"{folder / kept} is there already and stays as it is")
    say(f"{len(result.written)} files are in {folder}; look at schemas/{result.recipe}.py first")
    print_next(f"cd {folder} && churnkit train {result.recipe}")


def _print(result: DraftedProject) -> None:
    print_table(
        f"what {result.recipe} was taken for",
        ("column", "type", "role", "to review"),
        [(column.name, column.type, column.role, column.review) for column in result.columns],
    )
