"""Churn of a simulated business: the recipe of ``churnkit demo``."""

from churnkit.datasets import simulate
from churnkit.decisions import Action, Catalogue, Effect, Step, Where
from churnkit.pipeline import Recipe
from schemas.demo import Demo

CONSENT = Where("contact_consent", "==", True)

# Assumed effects with wide intervals, until an experiment has measured them.
actions = Catalogue(
    actions=(
        Action(
            "call",
            "A call from the customer's own manager",
            cost=15.0,
            effect=Effect(0.05, 0.15, 0.25),
            eligible=(CONSENT, Where("open_tickets", ">=", 1)),
            channel="phone",
            capacity=400,
            steps=(
                Step(0, "Call about the open ticket"),
                Step(7, "Check that the ticket is solved"),
            ),
        ),
        Action(
            "annual_contract",
            "A 30 dollar credit for changing to an annual contract",
            cost=30.0,
            effect=Effect(0.10, 0.30, 0.45),
            eligible=(CONSENT, Where("contract", "==", "Month-to-month")),
            channel="email",
            steps=(
                Step(0, "Send the offer by e-mail"),
                Step(5, "Call about the offer", condition="no_answer"),
                Step(30, "Check that the contract has changed"),
            ),
        ),
        Action(
            "training",
            "An hour of training with the team",
            cost=20.0,
            effect=Effect(0.04, 0.12, 0.22),
            eligible=(CONSENT, Where("onboarded", "==", False)),
            channel="video",
        ),
    ),
    periods=12,
    margin=0.7,
)

recipe = Recipe(
    schema=Demo,
    data=lambda: simulate(customers=20_000, seed=0).snapshot(horizon_days=90),
    actions=actions,
)
