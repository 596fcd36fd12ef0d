"""Which buyers of an online shop buy nothing for 90 days: the public Online Retail log."""

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

BOUGHT = Where("quantity", ">", 0)
GIVEN_BACK = Where("quantity", "<", 0)

timeline = Timeline(
    # Its times are those of a clock in the United Kingdom.
    tables=(Table.from_schema(Transactions, happened="occurred_at", time_zone="Europe/London"),),
    features={
        "days_since_purchase": Recency("transactions", where=BOUGHT),
        "days_since_first": Tenure("transactions", where=BOUGHT),
        "days_30d": DistinctDays("transactions", window_days=30, where=BOUGHT),
        "days_90d": DistinctDays("transactions", window_days=90, where=BOUGHT),
        "days_ever": DistinctDays("transactions", where=BOUGHT),
        "pieces_90d": Sum("transactions", "quantity", window_days=90, where=BOUGHT),
        "spend_90d": Sum("transactions", "amount", window_days=90, where=BOUGHT),
        "spend_ever": Sum("transactions", "amount", where=BOUGHT),
        "mean_line": Mean("transactions", "amount", where=BOUGHT),
        "spend_trend": Trend(
            "transactions", column="amount", window_days=30, against_days=90, where=BOUGHT
        ),
        "returns_180d": Count("transactions", window_days=180, where=GIVEN_BACK),
    },
    # The log begins on 1 December 2010: half of the longest window lies before the first date.
    snapshots=Snapshots(every="1 month", start="2011-03-02", end="2011-09-02"),
    eligible=ActiveWithin("transactions", days=180, where=BOUGHT),
    label=InactivityChurn("transactions", horizon_days=90, where=BOUGHT),
)


def lines() -> dict[str, pd.DataFrame]:
    """Name the publisher's columns as the schema does; postage and fees are not purchases."""
    log = load("online_retail").to_pandas()
    goods = log["StockCode"].str.match(r"\d{5}", na=False) & (log["UnitPrice"] > 0)
    log = log[goods]
    at = pd.to_datetime(log["InvoiceDate"]).dt.as_unit("us")
    return {
        "transactions": pd.DataFrame(
            {
                "invoice_id": log["InvoiceNo"],
                "customer_id": log["CustomerID"],
                "item": log["StockCode"],
                "quantity": log["Quantity"],
                "amount": log["Quantity"] * log["UnitPrice"],
                "occurred_at": at,
                "available_at": at,
            }
        )
    }


# A year of a shop has few buyers: two fifths of them are tested, so that a difference can show.
recipe = Recipe(schema=Buyer, data=lines, timeline=timeline, split=Split(test=0.4))
