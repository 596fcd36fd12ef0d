"""Subscriptions: one row per period with the same number of seats."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, context, entity, feature, ignore

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Subscriptions(Schema):
    """A change of seats ends one version and starts the next; a cancellation ends the last."""

    subscription_id: str = ignore("Subscription")
    version: int = ignore("Version", ge=1)
    customer_id: str = entity("Customer", str_matches=r"C\d{7}$")
    plan: str = feature("Plan", phrase="{value} plan", isin=["Starter", "Team", "Business"])
    contract: str = feature(
        "Contract", phrase="{value} contract", isin=["Annual", "Month-to-month"]
    )
    payment: str = feature(
        "Payment", phrase="Pays by {value}", isin=["card", "direct debit", "invoice"]
    )
    seats: int = feature("Seats", ge=1)
    mrr: float = feature("Monthly revenue", unit="USD a month", also=("value",), ge=0)
    started_at: Utc = ignore("Began", coerce=True)
    ended_at: Utc = ignore("Ended", coerce=True, nullable=True)
    end_reason: str = context("Why it ended", isin=["cancelled", "changed"], nullable=True)
    available_at: Utc = as_of("Known at", coerce=True)
