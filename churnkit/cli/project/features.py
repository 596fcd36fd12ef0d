"""``churnkit features``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.options import Output, RecipeName, find_recipe
from churnkit.cli.output import print_next, print_status
from churnkit.core.io.locations import parse_location
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from churnkit.timeline import Timeline

__all__ = ["features"]


def features(
    recipe: RecipeName = None,
    output: Output = None,
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
    from churnkit.pipeline import load_recipe
    from churnkit.timeline import to_sql

    loaded = load_recipe(find_recipe(recipe))
    if loaded.timeline is None:
        raise RecipeError(
            f"recipe '{loaded.name}' has no timeline: churnkit features needs one, since it builds "
            "snapshots from raw tables"
        )
    if sql:
        sys.stdout.write(to_sql(loaded.timeline, dialect) + "\n")
        return
    if output is None:
        raise RecipeError("no output: add -o snapshots.parquet, or --sql to print the query")
    if not callable(loaded.data):
        raise RecipeError(
            f"recipe '{loaded.name}': with a timeline, data must be a function that returns the "
            "raw tables"
        )
    rows = _build(loaded.timeline, loaded.data, output)
    print_status(f"{rows:,} rows were written to {parse_location(output)}")
    print_next(f"churnkit train {loaded.name}")


def _build(timeline: Timeline, read_tables: Callable[[], Mapping[str, Any]], output: str) -> int:
    """Build the snapshots to a local Parquet file; copy it to any other output."""
    import pyarrow.parquet as pq

    from churnkit.batch.io.open_writer import open_writer
    from churnkit.batch.io.outputs import parse_output, refuse_raw_table
    from churnkit.core.io.raw_tables import recorded_locations
    from churnkit.core.io.spool import temporary_folder
    from churnkit.core.io.table_file import open_table
    from churnkit.core.output_ledger import record_output
    from churnkit.timeline import build_to

    target = parse_output(output)
    is_direct = target.is_local and target.container == "file" and target.format == "parquet"
    file = target.location.path if is_direct else temporary_folder() / "snapshots.parquet"
    with recorded_locations() as recorded:
        tables = read_tables()
    refuse_raw_table((path for _, path in recorded), output)
    record_output(output, timeline.entity)
    rows = build_to(
        file,
        timeline,
        tables,
        progress=lambda step, share: print_status(f"{step} ({share:.0%})"),
    )
    if not is_direct:
        with open_writer(target, pq.read_schema(file)) as writer:
            for batch in open_table(file).batches():
                writer.write(batch)
            writer.finish()
        file.unlink()
    return rows
