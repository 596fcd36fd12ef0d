"""``churnkit explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, load_model
from churnkit.cli.output import print_result
from churnkit.errors import ChurnkitError, DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from churnkit.bundle import RetentionModel

__all__ = ["explain"]

_DEFAULT_CUSTOMERS = 10


def explain(
    customers: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    customer: Annotated[
        list[str] | None,
        typer.Option(help="A customer's id. Repeatable. Default: the 10 with the highest risk."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=20, help="Number of reasons per customer.")] = 3,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Explain customers' churn probabilities, in the schema's words."""
    from churnkit.contracts.parsing.arrow_columns import number_rows
    from churnkit.core.io.table_sources import read_table

    loaded = load_model(model)
    contract = loaded.contract
    columns = [c.name for c in (*contract.required("predict"), *contract.optional("predict"))]
    table = number_rows(read_table(customers, columns=columns), contract.entity)
    missing = contract.missing_columns("predict", table.column_names)
    if missing:
        raise DataError(customers.name, missing)
    entity = contract.entity.name
    if customer:
        table = _select(table, entity, customer)
        if not table.num_rows:
            raise ChurnkitError(
                f"{customers}: none of the {len(customer)} ids is in column '{entity}'"
            )
    else:
        table = _select_riskiest(table, loaded)
    rows = loaded.explain(table, top=top).to_pylist()
    print_result(
        [{**row, entity: str(row[entity])} for row in rows],
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
