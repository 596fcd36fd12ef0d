"""Support tickets: one row per ticket."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, ignore

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Tickets(Schema):
    """A ticket without `closed_at` is open; its closing is known from that time on."""

    ticket_id: str = ignore("Ticket")
    customer_id: str = entity("Customer", str_matches=r"C\d{7}$")
    topic: str = feature("Topic", isin=["access", "billing", "how-to", "performance", "sync"])
    opened_at: Utc = ignore("Opened at", coerce=True)
    closed_at: Utc = ignore("Closed at", coerce=True, nullable=True)
    available_at: Utc = as_of("Known at", coerce=True)
