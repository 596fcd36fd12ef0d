"""Customer master data: one row per customer."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, context, entity, feature, ignore, pii

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Customers(Schema):
    """Attributes of customers that do not change."""

    customer_id: str = entity("Customer", str_matches=r"C\d{7}$", unique=True)
    email: str = pii("E-mail")
    region: str = feature(
        "Region", phrase="Region {value}", isin=["East", "North", "South", "West"]
    )
    channel: str = feature(
        "Sales channel", phrase="Acquired via {value}", isin=["marketplace", "partner", "web"]
    )
    onboarded: bool = feature("Onboarding finished")
    contact_consent: bool = context("Agreed to be contacted")
    joined_at: Utc = ignore("Joined", coerce=True)
    available_at: Utc = as_of("Known at", coerce=True)
