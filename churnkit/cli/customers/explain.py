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
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    from churnkit.batch.jobs.customer_table import customer_batches

    source = CustomerInput(customers, sql, tables, as_of)
    opened = source.open()
    loaded = load_model(model)
    entity = loaded.contract.entity.name
    with source.rows(opened, loaded) as given:
        batches = customer_batches(given, loaded.contract)
        table = (
            _select(batches, entity, customer) if customer else _select_riskiest(batches, loaded)
        )
    if customer and not table.num_rows:
        raise ChurnkitError(
            f"{source.name}: none of the {len(customer)} ids is in column '{entity}'"
        )
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

    from churnkit.core.io.atomic_write import atomic_write, private_mode

    suffix = output.suffix.lower()
    if suffix not in {".json", ".csv", ".parquet", ".pq"}:
        raise ChurnkitError(f"{output}: reasons are written to a .json, .csv or .parquet file")
    with atomic_write(output, mode=private_mode(output)) as unfinished:
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


def _select(batches: Iterable[pa.Table], entity: str, customers: list[str]) -> pa.Table:
    """Select the rows of customers."""
    import pyarrow as pa

    from churnkit.contracts.parsing.scalars import BLANKS, to_text
    from churnkit.core.io.table_sources import concatenate

    selected = {customer.strip(BLANKS) for customer in customers}
    parts = []
    for batch in batches:
        ids = [(to_text(value) or "").strip(BLANKS) for value in batch[entity].to_pylist()]
        parts.append(batch.filter(pa.array([each in selected for each in ids], pa.bool_())))
    return concatenate(parts)


def _select_riskiest(batches: Iterable[pa.Table], model: RetentionModel) -> pa.Table:
    """Select the rows with the highest probabilities; ties in the order of the table."""
    import numpy as np

    from churnkit.core.io.table_sources import concatenate

    tables, highest = [], []
    for batch in batches:
        probabilities = np.nan_to_num(model.probabilities(model.encode(batch)), nan=-1.0)
        first = np.argsort(-probabilities, kind="stable")[:_DEFAULT_CUSTOMERS]
        tables.append(batch.take(first))
        highest.append(probabilities[first])
    joined = concatenate(tables)
    order = np.argsort(-np.concatenate([[], *highest]), kind="stable")
    return joined.take(order[:_DEFAULT_CUSTOMERS])
