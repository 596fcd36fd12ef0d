"""Payments: one row per attempt to collect."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, ignore

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Payments(Schema):
    """A payment happens when it is due; its status is known when the bank reports it."""

    payment_id: str = ignore("Payment")
    customer_id: str = entity("Customer")
    method: str = feature("Method", isin=["card", "direct debit", "invoice"])
    status: str = feature("Outcome", isin=["paid", "failed", "refunded", "disputed"])
    amount: float = feature("Amount", unit="money", ge=0)
    days_late: int = feature("Paid late by", unit="days", nullable=True, ge=0)
    due_at: Utc = ignore("Due at", coerce=True)
    available_at: Utc = as_of("Known at", coerce=True)
