"""``churnkit validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, find_recipe, load_model
from churnkit.cli.output import print_json, print_next, print_table, say

__all__ = ["validate"]


def validate(
    table: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    recipe: Annotated[
        str | None,
        typer.Option(help="Check it as this recipe's training table; default: the only recipe."),
    ] = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Check a table against a recipe's schema, or against a model's contract."""
    from churnkit.contracts.validation.pandera_check import check_table
    from churnkit.contracts.validation.violations import to_violations
    from churnkit.core.io.table_file import read_table

    read = read_table(table)
    if model is not None:
        loaded = load_model(model)
        found = check_table(loaded.contract, read, "predict", name=table.name)
    else:
        from churnkit.contracts import Contract
        from churnkit.pipeline import load_recipe
        from churnkit.pipeline.training.row_filters import leave_out_rows, say_left_out

        loaded_recipe = load_recipe(find_recipe(recipe))
        contract = Contract.from_schema(loaded_recipe.schema)
        read, left_out = leave_out_rows(contract, read, loaded_recipe.leave_out)
        for sentence in say_left_out(left_out):
            say(sentence)
        found = check_table(contract, read, "train", name=table.name)
    violations = to_violations(found)
    if as_json:
        print_json(
            {
                "table": str(table),
                "rows": read.num_rows,
                "valid": not violations,
                "violations": [violation.to_dict() for violation in violations],
            }
        )
    elif violations:
        print_table(
            f"{table} breaks its contract",
            ("column", "rule", "rows", "first at", "what to do"),
            [
                (
                    violation.column,
                    violation.rule,
                    f"{violation.count:,}",
                    ", ".join(map(str, violation.positions)),
                    violation.remedy,
                )
                for violation in violations
            ],
        )
    if violations:
        say(f"{table}: {len(violations)} rules are broken")
        raise typer.Exit(1)
    say(f"{table}: {read.num_rows:,} rows fit the contract")
    print_next("churnkit train" if model is None else f"churnkit score {table} -o scores.csv")
