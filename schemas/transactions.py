"""Purchases and returns: one row per line of an invoice."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, ignore

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Transactions(Schema):
    """Returns and cancellations have a negative quantity and amount.

    A timeline ignores rows without a customer.
    """

    invoice_id: str = ignore("Invoice")
    customer_id: str = entity("Customer")
    item: str = ignore("Item", nullable=True)
    quantity: int = feature("Pieces")
    amount: float = feature("Amount", unit="money")
    occurred_at: Utc = ignore("Bought at", coerce=True)
    available_at: Utc = as_of("Known at", coerce=True)
