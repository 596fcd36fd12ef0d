"""Product usage: one row per event."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, ignore

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Events(Schema):
    """A row may become known later than it happened; features use the later of both times."""

    customer_id: str = entity("Customer", str_matches=r"C\d{7}$")
    event_type: str = feature(
        "Kind of use", isin=["automation", "export", "purchase", "report", "session"]
    )
    occurred_at: Utc = ignore("Happened at", coerce=True)
    available_at: Utc = as_of("Known at", coerce=True)
    minutes: int = feature("Length", unit="minutes", ge=0)
    amount: float = feature("Purchase", unit="USD", ge=0)
