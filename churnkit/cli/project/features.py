"""``churnkit features``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.options import RecipeName, find_recipe
from churnkit.cli.output import print_next, print_status
from churnkit.errors import RecipeError

__all__ = ["features"]


def features(
    recipe: RecipeName = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .parquet file for the snapshots.")
    ] = None,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the query instead of running it.")
    ] = False,
    dialect: Annotated[
        str,
        typer.Option(
            help="SQL dialect: duckdb, spark, databricks, snowflake, bigquery, postgres, "
            "redshift or trino."
        ),
    ] = "duckdb",
) -> None:
    """Build a recipe's snapshots from its raw tables, or print the query for a warehouse."""
    from churnkit.core.output_ledger import record_output
    from churnkit.pipeline import load_recipe
    from churnkit.timeline import build_to, to_sql

    loaded = load_recipe(find_recipe(recipe))
    if loaded.timeline is None:
        raise RecipeError(
            f"recipe '{loaded.name}' has no timeline: churnkit features needs one, since it builds "
            "snapshots from raw tables"
        )
    if sql:
        sys.stdout.write(to_sql(loaded.timeline, dialect) + "\n")
        return
    if output is None or output.suffix.lower() not in {".parquet", ".pq"}:
        raise RecipeError("no output: add -o snapshots.parquet, or --sql to print the query")
    if not callable(loaded.data):
        raise RecipeError(
            f"recipe '{loaded.name}': with a timeline, data must be a function that returns the "
            "raw tables"
        )
    record_output(output, loaded.timeline.entity)
    rows = build_to(
        output,
        loaded.timeline,
        loaded.data(),
        progress=lambda step, share: print_status(f"{step} ({share:.0%})"),
    )
    print_status(f"{rows:,} rows were written to {output}")
    print_next(f"churnkit train {loaded.name}")
