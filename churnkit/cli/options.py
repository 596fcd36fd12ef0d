"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.errors import ChurnkitError, RecipeError

if TYPE_CHECKING:
    from churnkit.bundle.model import RetentionModel

__all__ = [
    "AsJson",
    "AsOf",
    "Customers",
    "Day",
    "Journalled",
    "ModelName",
    "OwnJournal",
    "Period",
    "RawTables",
    "Sql",
    "find_recipe",
    "load_model",
]

Customers = Annotated[
    str | None,
    typer.Argument(
        help="A .csv or .parquet file, a folder or a pattern of them, or with --sql a DuckDB "
        "file or a database's URL, a row a customer; with --as-of a folder of raw tables."
    ),
]
RawTables = Annotated[
    list[str] | None,
    typer.Option("--table", help="A raw table as NAME=FILE, with --as-of; may be given again."),
]
AsOf = Annotated[
    str | None,
    typer.Option(help="Make the customers' rows at this date from raw tables, as in training."),
]
Sql = Annotated[
    str | None, typer.Option("--sql", help="A query, or a table's name, for a database.")
]

Journalled = Annotated[
    str | None,
    typer.Option("--journal", help="A SQLAlchemy URL. Default: CHURNKIT_JOURNAL, if it is set."),
]
OwnJournal = Annotated[
    str | None,
    typer.Option(
        "--journal",
        help="A SQLAlchemy URL. Default: CHURNKIT_JOURNAL, else the project's own.",
    ),
]
Period = Annotated[
    str | None,
    typer.Option(help="Each customer is decided on once a period. Default: the day's month."),
]
Day = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="The day to decide for. Default: --as-of, else today, UTC."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A registered name (its champion), models:/NAME@ALIAS, or a bundle's folder. "
        "Default: the project's only model.",
    ),
]


def load_model(name: str | None) -> RetentionModel:
    """Load what ``--model`` names."""
    from churnkit.bundle import load
    from churnkit.bundle.registry.quiet import quiet_mlflow

    with quiet_mlflow():
        return load(model_source(name))


def model_source(name: str | None) -> str | None:
    """Turn what ``--model`` names into what `churnkit.load` takes."""
    if name is None or ":" in name or Path(name).is_dir():
        return name
    if "/" in name:
        raise ChurnkitError(f"there is no bundle at {name}")
    return f"models:/{name}"


def find_recipe(name: str | None) -> Path:
    """Find the recipe that a person means: a file, a name in ``training/``, or the only one."""
    from churnkit.core.project import find_project

    project = find_project()
    recipes = project.recipes()
    if name is not None:
        given = Path(name)
        if given.suffix == ".py":
            return given
        for recipe in recipes:
            if recipe.stem == name:
                return recipe
        known = ", ".join(recipe.stem for recipe in recipes) or "none"
        raise RecipeError(
            f"there is no recipe '{name}' in {project.root / 'training'}; there are: {known}"
        )
    if len(recipes) == 1:
        return recipes[0]
    if not recipes:
        raise RecipeError(
            f"there is no recipe in {project.root / 'training'}: name a file, or see churnkit demo"
        )
    names = ", ".join(recipe.stem for recipe in recipes)
    raise RecipeError(f"{len(recipes)} recipes are here ({names}): say which")
