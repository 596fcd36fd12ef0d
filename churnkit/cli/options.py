"""Options that several commands share, and the objects that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.errors import ChurnkitError, RecipeError

if TYPE_CHECKING:
    from churnkit.bundle import Registry
    from churnkit.bundle.model import RetentionModel

__all__ = [
    "AsJson",
    "AsOf",
    "Budget",
    "CustomerFile",
    "Customers",
    "Day",
    "Embeddings",
    "LocaleCode",
    "MaxInvalid",
    "ModelName",
    "OptionalJournal",
    "Output",
    "Period",
    "ProjectJournal",
    "RawTables",
    "RecipeName",
    "Sql",
    "bandit_folder",
    "check_invalid",
    "find_recipe",
    "load_model",
    "open_registry",
]

Customers = Annotated[
    str | None,
    typer.Argument(
        help="A table with one row per customer: a file (CSV, Parquet, Feather, JSON lines, "
        "FILE.xlsx#SHEET, FILE.sqlite#TABLE), a folder or glob pattern of files, a URL of an object "
        "store, download or database, or - for standard input; with --as-of a folder of raw tables."
    ),
]
CustomerFile = Annotated[
    Path | None,
    typer.Argument(
        help="A .csv or .parquet file with one row per customer. Default: customers.* in the "
        "project's folder."
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="A .parquet, .csv, .csv.gz, .jsonl or .feather file, a folder ending in / for Parquet "
        "files, DATABASE#TABLE, a URL of an object store, or - for CSV on standard output.",
    ),
]
RawTables = Annotated[
    list[str] | None,
    typer.Option("--table", help="A raw table as NAME=FILE, with --as-of. Repeatable."),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        help="Build the customers' rows from raw tables at this date, as in training; of a table of "
        "customers with dates, the day of the table."
    ),
]
Sql = Annotated[
    str | None, typer.Option("--sql", help="A query or a table's name, for a database.")
]
Budget = Annotated[float | None, typer.Option(min=0.0, help="Maximum total cost of all actions.")]
OptionalJournal = Annotated[
    str | None,
    typer.Option(
        "--journal",
        help="Journal to read and write, as a SQLAlchemy URL. Default: CHURNKIT_JOURNAL.",
    ),
]
ProjectJournal = Annotated[
    str | None,
    typer.Option(
        "--journal",
        help="Journal, as a SQLAlchemy URL. Default: CHURNKIT_JOURNAL, else the project's journal.",
    ),
]
Period = Annotated[
    str | None,
    typer.Option(
        help="Decision period; each customer gets one decision per period. Default: the month of "
        "the day."
    ),
]
Day = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Day of the decisions. Default: --as-of, else today (UTC)."
    ),
]
Embeddings = Annotated[
    Path | None,
    typer.Option(
        envvar="CHURNKIT_EMBEDDINGS",
        help="Folder of a sentence embedding model, for topics by meaning (extra embeddings).",
    ),
]
LocaleCode = Annotated[
    str | None,
    typer.Option(
        "--locale",
        envvar="CHURNKIT_LOCALE",
        help="Language and number format, such as de or de_CH. Default: English.",
    ),
]
MaxInvalid = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Largest share of rows that may violate the contract; above it the exit code is 1.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A registered name (its champion), models:/NAME@ALIAS, or a bundle folder. "
        "Default: the project's only model.",
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Argument(help="A file in training/, or its name. Default: the only recipe."),
]


def check_invalid(rows: int, invalid: int, max_invalid: float) -> None:
    """Fail if too large a share of the rows violates the contract.

    Raises
    ------
    ChurnkitError
        If the share is above `max_invalid`; the outputs have been written.
    """
    if invalid > max_invalid * rows:
        raise ChurnkitError(
            f"{invalid:,} of {rows:,} rows violate the contract ({invalid / rows:.1%}), more than "
            f"--max-invalid {max_invalid:g}: correct the rows, or raise --max-invalid"
        )


def load_model(name: str | None) -> RetentionModel:
    """Load the model that ``--model`` names."""
    from churnkit.bundle import load
    from churnkit.bundle.registry.quiet import quiet_mlflow

    with quiet_mlflow():
        return load(_model_uri(name))


def _model_uri(name: str | None) -> str | None:
    if name is None or ":" in name or Path(name).is_dir():
        return name
    if "/" in name:
        raise ChurnkitError(f"no bundle folder at {name}")
    return f"models:/{name}"


@contextmanager
def open_registry() -> Iterator[Registry]:
    """Open the project's model registry, without MLflow's own messages."""
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow

    with quiet_mlflow():
        yield Registry()


def bandit_folder(model: str) -> Path:
    """Return the project's folder for the bandit states of a model."""
    from churnkit.core.project import find_project

    return find_project().store / "bandits" / model


def find_recipe(name: str | None) -> Path:
    """Find a recipe by file, by name in ``training/``, or the only one if None."""
    from churnkit.core.project import find_project

    project = find_project()
    recipes = project.recipes()
    if name is not None:
        if name.endswith(".py"):
            return Path(name)
        for recipe in recipes:
            if recipe.stem == name:
                return recipe
        names = ", ".join(recipe.stem for recipe in recipes) or "none"
        raise RecipeError(f"no recipe '{name}' in {project.root / 'training'}; available: {names}")
    if len(recipes) == 1:
        return recipes[0]
    if not recipes:
        raise RecipeError(
            f"no recipe in {project.root / 'training'}: name a file, or start with churnkit demo"
        )
    names = ", ".join(recipe.stem for recipe in recipes)
    raise RecipeError(f"{len(recipes)} recipes in {project.root / 'training'} ({names}): name one")
