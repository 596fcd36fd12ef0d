"""``churnkit validate``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, find_recipe, load_model
from churnkit.cli.output import print_json, print_next, print_status, print_table

__all__ = ["validate"]


def validate(
    table: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    recipe: Annotated[
        str | None,
        typer.Option(help="Validate as this recipe's training table. Default: the only recipe."),
    ] = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Validate a table against a recipe's schema or, with --model, a model's contract.

    A recipe's schema requires the label; a model's contract does not.
    """
    from churnkit.contracts.validation.pandera_check import check_table
    from churnkit.contracts.validation.violations import to_violations
    from churnkit.core.io.table_sources import read_table

    rows = read_table(table)
    if model is not None:
        findings = check_table(load_model(model).contract, rows, "predict", name=table.name)
    else:
        from churnkit.contracts import Contract
        from churnkit.contracts.parsing.arrow_columns import number_rows
        from churnkit.pipeline import load_recipe
        from churnkit.pipeline.training.row_filters import describe_left_out, leave_out_rows

        loaded = load_recipe(find_recipe(recipe))
        contract = Contract.from_schema(loaded.schema)
        rows = number_rows(rows, contract.entity)
        rows, left_out = leave_out_rows(contract, rows, loaded.leave_out)
        for sentence in describe_left_out(left_out):
            print_status(sentence)
        findings = check_table(contract, rows, "train", name=table.name)
    violations = to_violations(findings)
    if as_json:
        print_json(
            {
                "table": str(table),
                "rows": rows.num_rows,
                "valid": not violations,
                "violations": [violation.to_dict() for violation in violations],
            }
        )
    elif violations:
        print_table(
            f"Contract violations in {table}",
            ("Column", "Rule", "Rows", "First positions", "Remedy"),
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
        print_status(f"{table}: {len(violations)} rules violated")
        raise typer.Exit(1)
    print_status(f"{table}: {rows.num_rows:,} rows are valid")
    print_next(
        "churnkit train" if model is None else f"churnkit score {quote(str(table))} -o scores.csv"
    )
