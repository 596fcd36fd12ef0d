"""``churnkit explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, load_model
from churnkit.cli.output import print_json, print_table
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.bundle import RetentionModel

__all__ = ["explain"]

_SHOWN = 10


def explain(
    customers: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    customer: Annotated[
        list[str] | None,
        typer.Option(help="An id; may be given again. Default: the riskiest ten."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=20, help="How many reasons each.")] = 3,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Say why customers are likely to leave, in the schema's own words."""
    from churnkit.core.io.table_file import read_table

    loaded = load_model(model)
    contract = loaded.contract
    wanted = [c.name for c in (*contract.required("predict"), *contract.optional("predict"))]
    table = read_table(customers, columns=wanted)
    absent = contract.missing_columns("predict", table.column_names)
    if absent:
        raise DataError(customers.name, absent)
    entity = contract.entity.name
    if customer:
        table = _these(table, entity, customer)
        if not table.num_rows:
            raise ChurnkitError(f"{customers}: no such customer in column '{entity}'")
    else:
        table = _riskiest(table, loaded)
    rows = loaded.explain(table, top=top).to_pylist()
    if as_json:
        print_json([{**row, entity: str(row[entity])} for row in rows])
        return
    print_table(
        f"why ({loaded.name}; points are percentage points of probability)",
        (entity, "probability", "reasons"),
        [
            (
                row[entity],
                row["problem"] or f"{row['churn_probability']:.1%}",
                "\n".join(f"{r['points']:+5.1f}  {r['reason']}" for r in row["reasons"]),
            )
            for row in rows
        ],
    )


def _these(table: pa.Table, entity: str, customers: list[str]) -> pa.Table:
    import pyarrow as pa

    from churnkit.contracts.parsing.scalars import BLANKS, to_text

    wanted = {customer.strip(BLANKS) for customer in customers}
    ids = [(to_text(found) or "").strip(BLANKS) for found in table[entity].to_pylist()]
    return table.filter(pa.array([found in wanted for found in ids], pa.bool_()))


def _riskiest(table: pa.Table, model: RetentionModel) -> pa.Table:
    import numpy as np

    probability = np.nan_to_num(model.probabilities(model.encode(table)), nan=-1.0)
    return table.take(np.argsort(-probability, kind="stable")[:_SHOWN])
