"""Who leaves a simulated business, from its raw tables: events, subscriptions, tickets, surveys."""

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
from churnkit.timeline import Where as Rows
from schemas.subscriber import Subscriber

KNOWN = "available_at"

timeline = Timeline(
    tables=(
        Table(
            "events",
            "customer_id",
            happened="occurred_at",
            available=KNOWN,
            columns={"event_type": "string", "amount": "number"},
        ),
        Table(
            "subscriptions",
            "customer_id",
            happened="started_at",
            ended="ended_at",
            available=KNOWN,
            columns={"plan": "string", "contract": "string", "mrr": "number"},
        ),
        Table("tickets", "customer_id", happened="opened_at", ended="closed_at", available=KNOWN),
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
        "sessions_30d": Count("events", window_days=30, where=Rows("event_type", "==", "session")),
        "sessions_90d": Count("events", window_days=90, where=Rows("event_type", "==", "session")),
        "use_trend": Trend("events", window_days=30, against_days=90),
        "active_days_30d": DistinctDays("events", window_days=30),
        "spend_90d": Sum("events", "amount", window_days=90),
        "days_since_use": Recency("events"),
        "open_tickets": OpenCount("tickets"),
        "last_nps": Last("answers", "score", window_days=365, where=Rows("kind", "==", "NPS")),
    },
    # Every quarter, so that no outcome window is seen twice.
    snapshots=Snapshots(dates=("2024-10-01", "2025-01-01", "2025-04-01", "2025-07-01")),
    eligible=ActiveSubscription("subscriptions"),
    label=ContractualChurn("subscriptions", horizon_days=90, grace_days=30),
)

# Past campaigns tried the call and the training: their effects are measured for each customer, and
# stand in the place of these. Nobody tried the contract: its effect is an assumption.
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
    uplift=Experiment("churned", table="treatments", learner="x"),
)
