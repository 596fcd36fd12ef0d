"""What customers bought and gave back: a row for each line of an invoice."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, ignore

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Transactions(Schema):
    """What is given back or cancelled has a negative quantity and amount.

    Rows without a customer belong to nobody: a timeline leaves them out.
    """

    invoice_id: str = ignore("Invoice")
    customer_id: str = entity("Customer")
    item: str = ignore("Item", nullable=True)
    quantity: int = feature("Pieces")
    amount: float = feature("Amount", unit="money")
    occurred_at: Utc = ignore("Bought at", coerce=True)
    available_at: Utc = as_of("Known at", coerce=True)
