"""Inactivity of CD buyers within 90 days, on the public CDNOW log of 1997 and 1998."""

import pandas as pd

from churnkit.datasets import load
from churnkit.pipeline import Recipe
from churnkit.timeline import (
    ActiveWithin,
    Count,
    DistinctDays,
    InactivityChurn,
    Mean,
    Recency,
    Snapshots,
    Sum,
    Table,
    Tenure,
    Timeline,
    Trend,
    Where,
)
from schemas.buyer import Buyer
from schemas.transactions import Transactions

PURCHASES = "transactions"

timeline = Timeline(
    tables=(Table.from_schema(Transactions, happened="occurred_at"),),
    features={
        "days_since_purchase": Recency(PURCHASES),
        "days_since_first": Tenure(PURCHASES),
        "days_30d": DistinctDays(PURCHASES, window_days=30),
        "days_90d": DistinctDays(PURCHASES, window_days=90),
        "days_ever": DistinctDays(PURCHASES),
        "pieces_90d": Sum(PURCHASES, "quantity", window_days=90),
        "spend_90d": Sum(PURCHASES, "amount", window_days=90),
        "spend_ever": Sum(PURCHASES, "amount"),
        "mean_line": Mean(PURCHASES, "amount"),
        "spend_trend": Trend(PURCHASES, column="amount", window_days=30, against_days=90),
        "returns_180d": Count(PURCHASES, window_days=180, where=Where("quantity", "<", 0)),
    },
    # All customers first bought in the first quarter of 1997; the log ends in June 1998.
    snapshots=Snapshots(every="1 month", start="1997-07-01", end="1998-04-01"),
    eligible=ActiveWithin(PURCHASES, days=365),
    label=InactivityChurn(PURCHASES, horizon_days=90),
)


def purchases() -> dict[str, pd.DataFrame]:
    """Return the purchases with the schema's column names."""
    log = load("cdnow")["transactions"].to_pandas()
    time = pd.to_datetime(log["date"]).dt.as_unit("us")
    return {
        PURCHASES: pd.DataFrame(
            {
                "invoice_id": log.index.astype(str),
                "customer_id": log["customer_id"],
                "item": "CD",
                "quantity": log["number_of_cds"],
                "amount": log["dollar_value"],
                "occurred_at": time,
                "available_at": time,
            }
        )
    }


recipe = Recipe(schema=Buyer, data=purchases, timeline=timeline)
