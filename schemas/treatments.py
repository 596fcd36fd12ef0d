"""Retention actions: one row per decision, including decisions to do nothing."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, cost, entity, ignore, propensity, treatment

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Treatments(Schema):
    """The propensity is that of the chosen action; the outcome is known after 90 days."""

    decision_id: str = ignore("Decision")
    customer_id: str = entity("Customer", str_matches=r"C\d{7}$")
    action: str = treatment("Action", isin=["none", "call", "discount", "training"])
    propensity: float = propensity("Probability of the action", gt=0, le=1)
    cost: float = cost("Cost", unit="USD", ge=0)
    decided_at: Utc = ignore("Decided at", coerce=True)
    available_at: Utc = as_of("Known at", coerce=True)
    # Null until it is known, so not a label: a training table selects the mature rows.
    churned: pd.BooleanDtype = ignore("Left within 90 days", nullable=True, coerce=True)
    outcome_at: Utc = ignore("Outcome known at", coerce=True)
