"""Monthly snapshots of buyers, built from transactions."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, label

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Buyer(Schema):
    """Buyers with a recent purchase, as of the first of a month."""

    customer_id: str = entity("Customer")
    as_of: Utc = as_of("Known on", coerce=True)
    days_since_purchase: float = feature(
        "Last purchase", phrase="Last bought {value} days ago", nullable=True, ge=0
    )
    days_since_first: float = feature(
        "First purchase", phrase="First bought {value} days ago", nullable=True, ge=0
    )
    days_30d: int = feature("Days with a purchase in the last 30", ge=0)
    days_90d: int = feature("Days with a purchase in the last 90", ge=0)
    days_ever: int = feature("Days with a purchase", ge=0)
    pieces_90d: int = feature("Pieces in the last 90 days", ge=0)
    spend_90d: float = feature("Spent in the last 90 days", also=("value",), ge=0)
    spend_ever: float = feature("Spent so far", ge=0)
    mean_line: float = feature("Mean amount of a line", nullable=True, ge=0)
    spend_trend: float = feature("Spent against the 90 days before", nullable=True, ge=0)
    returns_180d: int = feature("Lines given back in the last 180 days", ge=0)
    churned: bool = label("Bought nothing in the next 90 days")
