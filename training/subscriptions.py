"""Churn of a simulated business, from raw tables: events, subscriptions, tickets, surveys."""

from churnkit.datasets import simulate
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.pipeline import Experiment, Recipe
from churnkit.timeline import (
    ActiveSubscription,
    ContractualChurn,
    Count,
    Current,
    DistinctDays,
    Last,
    OpenCount,
    Recency,
    Snapshots,
    Sum,
    Table,
    Timeline,
    Trend,
)
from schemas.subscriber import Subscriber

AVAILABLE = "available_at"

timeline = Timeline(
    tables=(
        Table(
            "events",
            "customer_id",
            happened="occurred_at",
            available=AVAILABLE,
            columns={"event_type": "string", "amount": "number"},
        ),
        Table(
            "subscriptions",
            "customer_id",
            happened="started_at",
            ended="ended_at",
            available=AVAILABLE,
            columns={"plan": "string", "contract": "string", "mrr": "number"},
        ),
        Table(
            "tickets", "customer_id", happened="opened_at", ended="closed_at", available=AVAILABLE
        ),
        Table(
            "answers",
            "customer_id",
            source="surveys",
            happened="answered_at",
            columns={"kind": "string", "score": "number"},
        ),
    ),
    features={
        "plan": Current("subscriptions", "plan"),
        "contract": Current("subscriptions", "contract"),
        "mrr": Current("subscriptions", "mrr"),
        "sessions_30d": Count("events", window_days=30, where=Where("event_type", "==", "session")),
        "sessions_90d": Count("events", window_days=90, where=Where("event_type", "==", "session")),
        "use_trend": Trend("events", window_days=30, against_days=90),
        "active_days_30d": DistinctDays("events", window_days=30),
        "spend_90d": Sum("events", "amount", window_days=90),
        "days_since_use": Recency("events"),
        "open_tickets": OpenCount("tickets"),
        "last_nps": Last("answers", "score", window_days=365, where=Where("kind", "==", "NPS")),
    },
    # Quarterly, so that outcome windows do not overlap.
    snapshots=Snapshots(dates=("2024-10-01", "2025-01-01", "2025-04-01", "2025-07-01")),
    eligible=ActiveSubscription("subscriptions"),
    label=ContractualChurn("subscriptions", horizon_days=90, grace_days=30),
)

# Effects of the call and the training are estimated from past campaigns and replace the ones stated
# here. The effect of the contract is an assumption.
actions = Catalogue(
    actions=(
        Action("call", "A call", cost=12.0, effect=Effect(-0.2, 0.1, 0.4), channel="phone"),
        Action("training", "An hour of training", cost=25.0, effect=Effect(-0.2, 0.1, 0.4)),
        Action(
            "annual_contract",
            "A 30 dollar credit for changing to an annual contract",
            cost=30.0,
            effect=Effect(0.10, 0.30, 0.45),
            eligible=(Where("contract", "==", "Month-to-month"),),
            channel="email",
        ),
    ),
    periods=12,
    margin=0.7,
)

recipe = Recipe(
    schema=Subscriber,
    data=lambda: simulate(customers=10_000, seed=0).tables,
    timeline=timeline,
    actions=actions,
    uplift=Experiment("churned", table="treatments"),
)
