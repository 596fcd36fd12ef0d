"""Readers of the public data sets' files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "read_cdnow",
    "read_clothing_reviews",
    "read_hillstrom",
    "read_online_retail",
    "read_open_bandit",
    "read_telco",
    "read_tv_subscription",
]


def read_telco(folder: Path) -> Any:
    """Read Telco; ``TotalCharges`` stays text, as 11 of its values are blank."""
    import pyarrow as pa

    return _read_csv(folder / "Telco-Customer-Churn.csv", types={"TotalCharges": pa.string()})


def read_tv_subscription(folder: Path) -> Any:
    """Read the TV provider's table: ``id, x1..x46, C_FP, C_FN, C_TP, C_TN, target``."""
    return _read_csv(folder / "churn_tv_subscriptions.csv.gz")


def read_cdnow(folder: Path) -> dict[str, Any]:
    """Read CDNOW's purchases (the master log) and the one-in-ten sample's summary."""
    import numpy as np
    import pyarrow as pa

    lines = (folder / "CDNOW_master.txt").read_text("ascii").splitlines()
    fields = np.array(" ".join(lines[1:]).split()).reshape(-1, 4)
    days = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in fields[:, 1]]
    transactions = pa.table(
        {
            "customer_id": pa.array(fields[:, 0].tolist()),
            "date": pa.array(np.array(days, dtype="datetime64[D]")),
            "number_of_cds": pa.array(fields[:, 2].astype(np.int64)),
            "dollar_value": pa.array(fields[:, 3].astype(np.float64)),
        }
    )
    return {
        "transactions": transactions,
        "summary": _read_csv(folder / "cdnow_customers_summary.csv"),
    }


def read_online_retail(folder: Path) -> Any:
    """Read the shop's line items, with cancellations and rows without a customer."""
    import pyarrow.parquet as pq

    return pq.read_table(folder / "online_retail.parquet").replace_schema_metadata(None)


def read_hillstrom(folder: Path) -> Any:
    """Read the email experiment; ``segment`` is the arm."""
    return _read_csv(folder / "hillstrom.csv")


def read_open_bandit(folder: Path) -> dict[str, Any]:
    """Read the logs of the random and the Thompson sampling policy, with item features."""
    tables: dict[str, Any] = {}
    for policy in ("random", "bts"):
        campaign = folder / policy / "men"
        tables[policy] = _read_csv(campaign / "men.csv", row_number="row")
        tables[f"{policy}_items"] = _read_csv(campaign / "item_context.csv", row_number="row")
    return tables


def read_clothing_reviews(folder: Path) -> Any:
    """Read the reviews; empty titles, texts and departments are null."""
    return _read_csv(
        folder / "womens_clothing_reviews.csv.gz", row_number="row", empty_is_null=True
    )


def _read_csv(
    path: Path,
    *,
    types: dict[str, Any] | None = None,
    row_number: str | None = None,
    empty_is_null: bool = False,
) -> Any:
    from pyarrow import csv

    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=empty_is_null,
            quoted_strings_can_be_null=empty_is_null,
        ),
    )
    if row_number is not None:
        # The first column is a row number without a name.
        table = table.rename_columns([row_number, *table.column_names[1:]])
    return table
