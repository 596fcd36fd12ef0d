"""Churn of a telephone and internet provider, on the public IBM Telco table."""

from churnkit.datasets import load
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.pipeline import Recipe
from schemas.telco import Telco

# Assumed effects with wide intervals, until an experiment has measured them.
actions = Catalogue(
    actions=(
        Action(
            "annual_contract",
            "A 25 dollar credit for changing to a one-year contract",
            cost=25.0,
            effect=Effect(0.10, 0.25, 0.40),
            eligible=(Where("Contract", "==", "Month-to-month"),),
            channel="phone",
        ),
        Action(
            "tech_support",
            "Three months of tech support for free",
            cost=12.0,
            effect=Effect(0.03, 0.08, 0.15),
            eligible=(Where("TechSupport", "==", "No"),),
            channel="email",
        ),
        Action(
            "autopay",
            "A 5 dollar credit for paying automatically",
            cost=5.0,
            effect=Effect(0.01, 0.03, 0.06),
            eligible=(Where("PaymentMethod", "in", ("Electronic check", "Mailed check")),),
            channel="email",
        ),
    ),
    periods=24,
    margin=0.5,
)

recipe = Recipe(schema=Telco, data=lambda: load("telco"), actions=actions)
