"""Monthly snapshots of subscribers, built by `training/subscriptions.py`."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, label

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Subscriber(Schema):
    """Customers with an active subscription, as of the first of a month."""

    customer_id: str = entity("Customer")
    as_of: Utc = as_of("Known on", coerce=True)
    plan: str = feature("Plan", phrase="{value} plan", isin=["Starter", "Team", "Business"])
    contract: str = feature(
        "Contract", phrase="{value} contract", isin=["Annual", "Month-to-month"]
    )
    mrr: float = feature("Monthly revenue", unit="USD a month", also=("value",), ge=0)
    sessions_30d: int = feature("Uses in the last 30 days", ge=0)
    sessions_90d: int = feature("Uses in the last 90 days", ge=0)
    use_trend: float = feature("Use against the 90 days before", nullable=True, ge=0)
    active_days_30d: int = feature("Days of use in the last 30", ge=0, le=30)
    spend_90d: float = feature("Purchases in the last 90 days", unit="USD", ge=0)
    days_since_use: float = feature(
        "Days since last use", phrase="Last used {value} days ago", nullable=True, ge=0
    )
    open_tickets: int = feature("Open tickets", ge=0)
    last_nps: float = feature("Last NPS answer", nullable=True, ge=0, le=10)
    churned: bool = label("Left within 90 days")
