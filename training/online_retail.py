"""Inactivity of an online shop's buyers within 90 days, on the public Online Retail log."""

import pandas as pd

from churnkit.datasets import load
from churnkit.pipeline import Recipe, Split
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

PURCHASED = Where("quantity", ">", 0)
RETURNED = Where("quantity", "<", 0)

timeline = Timeline(
    # Times are in the local time of the United Kingdom.
    tables=(Table.from_schema(Transactions, happened="occurred_at", time_zone="Europe/London"),),
    features={
        "days_since_purchase": Recency("transactions", where=PURCHASED),
        "days_since_first": Tenure("transactions", where=PURCHASED),
        "days_30d": DistinctDays("transactions", window_days=30, where=PURCHASED),
        "days_90d": DistinctDays("transactions", window_days=90, where=PURCHASED),
        "days_ever": DistinctDays("transactions", where=PURCHASED),
        "pieces_90d": Sum("transactions", "quantity", window_days=90, where=PURCHASED),
        "spend_90d": Sum("transactions", "amount", window_days=90, where=PURCHASED),
        "spend_ever": Sum("transactions", "amount", where=PURCHASED),
        "mean_line": Mean("transactions", "amount", where=PURCHASED),
        "spend_trend": Trend(
            "transactions", column="amount", window_days=30, against_days=90, where=PURCHASED
        ),
        "returns_180d": Count("transactions", window_days=180, where=RETURNED),
    },
    # The log begins on 1 December 2010: it covers half of the longest window at the first date.
    snapshots=Snapshots(every="1 month", start="2011-03-02", end="2011-09-02"),
    eligible=ActiveWithin("transactions", days=180, where=PURCHASED),
    label=InactivityChurn("transactions", horizon_days=90, where=PURCHASED),
)


def transactions() -> dict[str, pd.DataFrame]:
    """Return the line items with the schema's column names, without postage and fees."""
    log = load("online_retail").to_pandas()
    goods = log["StockCode"].str.match(r"\d{5}", na=False) & (log["UnitPrice"] > 0)
    log = log[goods]
    time = pd.to_datetime(log["InvoiceDate"]).dt.as_unit("us")
    return {
        "transactions": pd.DataFrame(
            {
                "invoice_id": log["InvoiceNo"],
                "customer_id": log["CustomerID"],
                "item": log["StockCode"],
                "quantity": log["Quantity"],
                "amount": log["Quantity"] * log["UnitPrice"],
                "occurred_at": time,
                "available_at": time,
            }
        )
    }


# Few buyers: 40% are test customers, so that a difference is detectable.
recipe = Recipe(schema=Buyer, data=transactions, timeline=timeline, split=Split(test=0.4))
