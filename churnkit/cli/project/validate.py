"""``churnkit validate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.customer_input import CustomerInput
from churnkit.cli.options import (
    AsJson,
    AsOf,
    Customers,
    ModelName,
    RawTables,
    Sql,
    find_recipe,
    load_model,
)
from churnkit.cli.output import print_json, print_next, print_status, print_table
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.contracts import Contract
    from churnkit.pipeline import Recipe

__all__ = ["validate"]


def validate(
    table: Customers = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Validate as this recipe's training table. Default: the only recipe."),
    ] = None,
    model: ModelName = None,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Show what the table changes in the recipe's schema: new categories, blanks, "
            "columns, units, date formats.",
        ),
    ] = False,
    write: Annotated[
        bool,
        typer.Option("--write", help="With --update, widen the schema's file; comments are kept."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Validate a table against a recipe's schema or, with --model, a model's contract.

    A recipe's schema requires the label; a model's contract, and rows built with --as-of, do not.
    """
    from churnkit.contracts.validation.pandera_check import check_table
    from churnkit.contracts.validation.violations import to_violations

    source = CustomerInput(table, sql, tables, as_of)
    opened = source.open()
    loaded = None
    if model is not None:
        contract = load_model(model).contract
        rows = _read(source, opened, load_model(model), contract)
    else:
        from churnkit.contracts import Contract
        from churnkit.pipeline import load_recipe

        loaded = load_recipe(find_recipe(recipe))
        contract = Contract.from_schema(loaded.schema)
        rows = _read_for_recipe(source, opened, loaded, contract)
    if update:
        if loaded is None:
            raise ChurnkitError("--update changes a recipe's schema: leave out --model")
        _update(loaded, contract, rows, source, write=write, as_json=as_json)
        return
    purpose: Any = "predict" if model is not None or as_of is not None else "train"
    violations = to_violations(check_table(contract, rows, purpose, name=source.name))
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
            f"Contract violations in {source.name}",
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
        print_status(f"{source.name}: {len(violations)} rules violated")
        if loaded is not None and as_of is None:
            print_next(f"churnkit validate {source} --recipe {loaded.name} --update")
        raise typer.Exit(1)
    print_status(f"{source.name}: {rows.num_rows:,} rows are valid")
    print_next("churnkit train" if model is None else f"churnkit score {source} -o scores.csv")


def _read(
    source: CustomerInput, opened: Any, model: Any, contract: Contract, *, sheet: str | None = None
) -> pa.Table:
    from churnkit.contracts.parsing.arrow_columns import number_rows
    from churnkit.core.io.table_sources import read_all

    if model is None:
        rows = source.sheet(opened, contract, "predict", known=sheet)
        return number_rows(read_all(rows), contract.entity)
    with source.rows(opened, model) as rows:
        return number_rows(read_all(rows), contract.entity)


def _read_for_recipe(
    source: CustomerInput, opened: Any, recipe: Recipe, contract: Contract
) -> pa.Table:
    """Read a training table, or build the customers' rows with the recipe's timeline."""
    from churnkit.core.io.locations import parse_location
    from churnkit.pipeline.training.row_filters import describe_left_out, leave_out_rows

    if source.as_of is None:
        sheet = None if callable(recipe.data) else parse_location(recipe.data).part
        rows = _read(source, opened, None, contract, sheet=sheet)
        rows, left_out = leave_out_rows(contract, rows, recipe.leave_out)
        for sentence in describe_left_out(left_out):
            print_status(sentence)
        return rows
    if recipe.timeline is None:
        raise ChurnkitError(
            f"recipe '{recipe.name}' has no timeline for raw tables: leave out --as-of"
        )
    from churnkit.core.io.raw_tables import raw_table
    from churnkit.timeline import build

    needed = {name for table in recipe.timeline.tables for name in table.sources}
    data = {name: raw_table(path) for name, path in opened.items() if name in needed}
    return build(recipe.timeline.at(source.as_of), data)


def _update(
    recipe: Recipe,
    contract: Contract,
    rows: pa.Table,
    source: CustomerInput,
    *,
    write: bool,
    as_json: bool,
) -> None:
    """Show the changes of a table, and widen the schema if asked to."""
    from churnkit.pipeline.scaffold.schema_diff import (
        find_changes,
        read_earlier_table,
        update_schema,
    )

    changes = find_changes(contract, rows, read_earlier_table(recipe))
    written = update_schema(recipe, contract, changes, rows) if write else None
    if as_json:
        listed = [change.to_dict() for change in changes]
        print_json({"changes": listed, "written": None if written is None else str(written)})
    else:
        print_table(
            f"Changes of {source.name} against the schema of {recipe.name}",
            ("Column", "Change", "Finding", "Wider schema"),
            [
                (
                    change.column,
                    change.kind,
                    change.message,
                    ", ".join(f"{name}={value}" for name, value in change.settings.items()),
                )
                for change in changes
            ],
        )
    remaining = [c for c in changes if not c.settings and c.kind != "new_column"]
    if written is not None:
        print_status(f"{written} was widened; review it, and train again")
    elif any(change.settings for change in changes):
        print_next(f"churnkit validate {source} --recipe {recipe.name} --update --write")
    for change in remaining:
        print_status(f"column '{change.column}' {change.message}")
    if remaining or (changes and written is None and any(c.settings for c in changes)):
        raise typer.Exit(1)
    print_status(f"{source.name}: the schema of {recipe.name} accepts {rows.num_rows:,} rows")
