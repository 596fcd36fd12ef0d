"""The simulated business as one flat table: one row per customer, as of one day."""

from typing import Annotated

import pandas as pd

from churnkit.contracts import Schema, account, as_of, context, entity, feature, label, parent, pii

Utc = Annotated[pd.DatetimeTZDtype, "us", "UTC"]


class Demo(Schema):
    """Customers of a team software sold per seat and month."""

    customer_id: str = entity("Customer")
    email: str = pii("E-mail")
    company: str = account("Company")
    company_group: str = parent("Group", nullable=True)
    as_of: Utc = as_of("Known on", coerce=True)
    region: str = feature(
        "Region", phrase="Region {value}", isin=["East", "North", "South", "West"]
    )
    channel: str = feature(
        "Sales channel", phrase="Acquired via {value}", isin=["marketplace", "partner", "web"]
    )
    plan: str = feature("Plan", phrase="{value} plan", isin=["Starter", "Team", "Business"])
    contract: str = feature(
        "Contract", phrase="{value} contract", isin=["Annual", "Month-to-month"]
    )
    payment: str = feature(
        "Payment", phrase="Pays by {value}", isin=["card", "direct debit", "invoice"]
    )
    onboarded: bool = feature(
        "Onboarding",
        words={"no": "Onboarding not finished", "yes": "Onboarding finished"},
    )
    tenure_months: int = feature("Customer for", phrase="Customer for {value} months", ge=0)
    months_to_renewal: float = feature("Next renewal in", unit="months", nullable=True, ge=0, le=11)
    seats: int = feature("Seats", ge=1)
    mrr: float = feature("Monthly revenue", unit="USD a month", also=("value",), ge=0)
    sessions_30d: int = feature("Uses in the last 30 days", ge=0)
    sessions_90d: int = feature("Uses in the last 90 days", ge=0)
    usage_trend: float = feature(
        "Use in the last 30 days against the last 90",
        phrase="{value} times its usual use in the last 30 days",
        nullable=True,
        ge=0,
        le=3,
    )
    active_days_30d: int = feature("Days of use in the last 30", ge=0, le=30)
    minutes_30d: int = feature("Use in the last 30 days", unit="minutes", ge=0)
    automations_90d: int = feature("Automations run in the last 90 days", ge=0)
    spend_90d: float = feature("Purchases in the last 90 days", unit="USD", ge=0)
    days_since_use: float = feature(
        "Days since last use", phrase="Last used {value} days ago", nullable=True, ge=0
    )
    open_tickets: int = feature("Open tickets", ge=0)
    open_ticket_days: float = feature(
        "Wait of the oldest open ticket",
        phrase="A ticket open for {value} days",
        nullable=True,
        ge=0,
    )
    tickets_90d: int = feature("Tickets in the last 90 days", ge=0)
    last_nps: float = feature("Last NPS answer", nullable=True, ge=0, le=10)
    last_csat: float = feature("Last CSAT answer", nullable=True, ge=1, le=5)
    unanswered_surveys_180d: int = feature("Unanswered surveys in the last 180 days", ge=0)
    actions_365d: int = feature("Offers and calls in the last 365 days", ge=0)
    contact_consent: bool = context("Agreed to be contacted")
    churned: bool = label("Left within 90 days")
