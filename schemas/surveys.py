"""Surveys: one row per survey sent."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, as_of, entity, feature, ignore

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Surveys(Schema):
    """NPS is 0 to 10, CSAT 1 to 5, CES 1 to 7 (easy); without `answered_at` there is no answer."""

    survey_id: str = ignore("Survey")
    customer_id: str = entity("Customer", str_matches=r"C\d{7}$")
    kind: str = feature("Kind of survey", isin=["CES", "CSAT", "NPS"])
    sent_at: Utc = ignore("Sent at", coerce=True)
    answered_at: Utc = ignore("Answered at", coerce=True, nullable=True)
    score: float = feature("Answer", nullable=True, ge=0, le=10)
    text: str = ignore("Words", nullable=True)
    available_at: Utc = as_of("Known at", coerce=True)
