"""``churnkit validate``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.customer_input import CustomerInput, trained_sheet
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
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from churnkit.contracts import Contract
    from churnkit.contracts.contract import Purpose
    from churnkit.pipeline import Recipe
    from churnkit.timeline import Timeline

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
    from churnkit.contracts.validation.batch_check import check_batches
    from churnkit.contracts.validation.violations import to_violations
    from churnkit.core.io.table_sources import concatenate, read_all

    source = CustomerInput(table, sql, tables, as_of)
    opened = source.open()
    loaded = None
    sheet = None
    if model is not None:
        known = load_model(model)
        contract = known.contract
        sheet = trained_sheet(known)
        if as_of is not None:
            with source.rows(opened, known) as snapshot:
                batches: Iterable[pa.Table] = [read_all(snapshot)]
        else:
            batches = _batches(source, opened, contract, sheet, timeline=known.contents.timeline)
    else:
        from churnkit.contracts import Contract
        from churnkit.pipeline import load_recipe

        loaded = load_recipe(find_recipe(recipe))
        contract = Contract.from_schema(loaded.schema)
        batches = _batches_for_recipe(source, opened, loaded, contract, is_whole=update)
    if update:
        if loaded is None:
            raise ChurnkitError("--update changes a recipe's schema: leave out --model")
        _update(loaded, contract, concatenate(list(batches)), source, write=write, as_json=as_json)
        return
    purpose: Purpose = "predict" if model is not None or as_of is not None else "train"
    count, findings = check_batches(contract, batches, purpose, name=source.name)
    violations = to_violations(findings)
    if as_json:
        print_json(
            {
                "table": str(table),
                "rows": count,
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
    print_status(f"{source.name}: {count:,} rows are valid")
    print_next("churnkit train" if model is None else f"churnkit score {source} -o scores.csv")


def _batches(
    source: CustomerInput,
    opened: Any,
    contract: Contract,
    sheet: str | None,
    *,
    timeline: Timeline | None,
    is_whole: bool = False,
) -> Iterator[pa.Table]:
    """Read a table in batches: the columns of the contract, or all of them."""
    import pyarrow as pa

    from churnkit.contracts.parsing.arrow_columns import complete_keys
    from churnkit.core.io.table_sources import open_rows

    opened = source.sheet(opened, contract, "predict", known=sheet, timeline=timeline)
    rows = open_rows(opened)
    source.check_columns(contract, timeline, rows.columns)
    declared = {column.name for column in contract.columns}
    names = [name for name in rows.columns if is_whole or name in declared]
    start, is_empty = 0, True
    for batch in rows.batches(names):
        yield complete_keys(batch, contract, first=start)
        start, is_empty = start + batch.num_rows, False
    if is_empty:
        empty = pa.table({name: pa.array([], pa.string()) for name in names})
        yield complete_keys(empty, contract)


def _batches_for_recipe(
    source: CustomerInput, opened: Any, recipe: Recipe, contract: Contract, *, is_whole: bool
) -> Iterator[pa.Table]:
    """Read a training table without the rows that training leaves out, or build rows as of a date."""
    if source.as_of is not None:
        yield _build_rows(source, opened, recipe)
        return
    from churnkit.core.io.locations import parse_location
    from churnkit.core.io.table_sources import concatenate
    from churnkit.pipeline.training.data.row_filters import describe_left_out, leave_out_rows

    sheet = None if callable(recipe.data) else parse_location(recipe.data).part
    batches = _batches(source, opened, contract, sheet, timeline=recipe.timeline, is_whole=is_whole)
    if "repeated" in recipe.leave_out:
        # Duplicates of rows are found in the whole table.
        batches = iter([concatenate(list(batches))])
    total: Counter[str] = Counter()
    for batch in batches:
        rows, left_out = leave_out_rows(contract, batch, recipe.leave_out)
        total.update(left_out)
        yield rows
    for sentence in describe_left_out(dict(total)):
        print_status(sentence)


def _build_rows(source: CustomerInput, opened: Any, recipe: Recipe) -> pa.Table:
    """Build the customers' rows with the recipe's timeline."""
    if recipe.timeline is None:
        raise ChurnkitError(
            f"recipe '{recipe.name}' has no timeline for raw tables: leave out --as-of"
        )
    from churnkit.batch.io.raw_snapshots import read_sources
    from churnkit.timeline import build
    from churnkit.timeline.customer_activity import read_activity

    data = read_sources(recipe.timeline, source.name_table(opened, recipe.timeline))
    dated = recipe.timeline.at(source.as_of or "")
    rows = build(dated, data)
    if not rows.num_rows:
        raise ChurnkitError(read_activity(dated, data).describe_none(labeled=False))
    return rows


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
