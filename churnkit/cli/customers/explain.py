"""``churnkit explain``."""

from __future__ import annotations

from pathlib import Path
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
    load_model,
)
from churnkit.cli.output import print_json, print_result, print_status
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.bundle import RetentionModel

__all__ = ["explain"]

_DEFAULT_CUSTOMERS = 10


def explain(
    customers: Customers = None,
    customer: Annotated[
        list[str] | None,
        typer.Option(help="A customer's id. Repeatable. Default: the 10 with the highest risk."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=20, help="Number of reasons per customer.")] = 3,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A .json, .csv or .parquet file for the reasons. Default: stdout.",
        ),
    ] = None,
    model: ModelName = None,
    sql: Sql = None,
    tables: RawTables = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Explain customers' churn probabilities, in the schema's words."""
    from churnkit.contracts.parsing.arrow_columns import number_rows
    from churnkit.core.io.table_sources import read_all

    source = CustomerInput(customers, sql, tables, as_of)
    opened = source.open()
    loaded = load_model(model)
    contract = loaded.contract
    columns = [c.name for c in (*contract.required("predict"), *contract.optional("predict"))]
    with source.rows(opened, loaded) as given:
        table = number_rows(read_all(given, columns=columns), contract.entity)
    missing = contract.missing_columns("predict", table.column_names)
    if missing:
        raise DataError(source.name, missing)
    entity = contract.entity.name
    if customer:
        table = _select(table, entity, customer)
        if not table.num_rows:
            raise ChurnkitError(
                f"{source.name}: none of the {len(customer)} ids is in column '{entity}'"
            )
    else:
        table = _select_riskiest(table, loaded)
    rows = loaded.explain(table, top=top).to_pylist()
    rows = [{**row, entity: str(row[entity])} for row in rows]
    if output is not None:
        _write(output, rows)
        print_status(f"reasons of {len(rows):,} customers were written to {output}")
        if as_json:
            print_json({"customers": len(rows), "output": str(output)})
        return
    print_result(
        rows,
        f"Reasons ({loaded.name}; in percentage points of probability)",
        (entity, "Churn probability", "Reasons"),
        [
            (
                row[entity],
                row["problem"] or f"{row['churn_probability']:.1%}",
                "\n".join(f"{r['points']:+5.1f}  {r['reason']}" for r in row["reasons"]),
            )
            for row in rows
        ],
        as_json=as_json,
    )


def _write(output: Path, rows: list[dict[str, Any]]) -> None:
    """Write the reasons: JSON as printed, or a table with a row per customer and reason."""
    import json

    import pyarrow as pa
    import pyarrow.csv as pcsv
    import pyarrow.parquet as pq

    from churnkit.core.io.atomic_write import atomic_write

    suffix = output.suffix.lower()
    if suffix not in {".json", ".csv", ".parquet", ".pq"}:
        raise ChurnkitError(f"{output}: reasons are written to a .json, .csv or .parquet file")
    with atomic_write(output) as unfinished:
        if suffix == ".json":
            text = json.dumps(rows, indent=2, ensure_ascii=False, default=str)
            Path(unfinished).write_text(text + "\n", encoding="utf-8")
            return
        table = pa.Table.from_pylist(
            [
                {**{k: v for k, v in row.items() if k != "reasons"}, "rank": rank, **reason}
                for row in rows
                for rank, reason in enumerate(row["reasons"] or [{}], start=1)
            ]
        )
        (pcsv.write_csv if suffix == ".csv" else pq.write_table)(table, unfinished)


def _select(table: pa.Table, entity: str, customers: list[str]) -> pa.Table:
    import pyarrow as pa

    from churnkit.contracts.parsing.scalars import BLANKS, to_text

    selected = {customer.strip(BLANKS) for customer in customers}
    ids = [(to_text(value) or "").strip(BLANKS) for value in table[entity].to_pylist()]
    return table.filter(pa.array([customer in selected for customer in ids], pa.bool_()))


def _select_riskiest(table: pa.Table, model: RetentionModel) -> pa.Table:
    import numpy as np

    probabilities = np.nan_to_num(model.probabilities(model.encode(table)), nan=-1.0)
    return table.take(np.argsort(-probabilities, kind="stable")[:_DEFAULT_CUSTOMERS])
