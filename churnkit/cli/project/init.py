"""``churnkit init``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_next, print_result, print_status

if TYPE_CHECKING:
    from churnkit.pipeline.scaffold import CreatedProject

__all__ = ["init"]


def init(
    folder: Annotated[Path, typer.Argument(help="Project folder to create.")],
    source: Annotated[
        list[Path],
        typer.Option(
            "--from",
            help="A table with one row per customer: a file (CSV, Parquet, JSON lines, "
            "FILE.xlsx#SHEET ...) or a URL; or raw tables: an event log, a folder of files, a "
            "database file, or several --from.",
        ),
    ],
    entity: Annotated[
        str | None,
        typer.Option(
            help="Column of the customer's id; row to number the rows. Default: inferred."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column of the churn label. Default: inferred.")
    ] = None,
    positive: Annotated[
        list[str] | None,
        typer.Option(
            help="Value of the label that means churned; repeat it for several. Default: inferred."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the recipe. Default: the file's name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a project from your files: schema, recipe and service. Existing files are kept."""
    from churnkit.pipeline.scaffold import create_project

    result = create_project(
        folder,
        source,
        entity=entity,
        label=label,
        positive=positive or (),
        name=name,
        progress=print_status,
    )
    _print_columns(result, as_json=as_json)
    for note in result.notes:
        print_status(note)
    for file in result.kept:
        print_status(f"kept {folder / file}, which exists already")
    print_status(
        f"{len(result.written)} files were written to {folder}; review "
        f"schemas/{result.recipe}.py first"
    )
    for question in result.questions:
        print_status(f"open question in {folder}/{question}")
    edit = f" and answer the open question in schemas/{result.recipe}.py, then"
    print_next(
        f"cd {quote(str(folder))}{edit if result.questions else ' &&'} churnkit train {result.recipe}"
    )


def _print_columns(result: CreatedProject, *, as_json: bool) -> None:
    """Print how a table was read, or the columns of a timeline."""
    if result.reading:
        print_result(
            result.to_dict(),
            f"Reading of the table for {result.recipe}",
            ("Topic", "Inferred"),
            result.reading,
            as_json=as_json,
        )
        return
    print_result(
        result.to_dict(),
        f"Inferred columns of {result.recipe}",
        ("Column", "Type", "Role", "Review"),
        [(column.name, column.type, column.role, column.review) for column in result.columns],
        as_json=as_json,
    )
