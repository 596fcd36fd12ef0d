"""How often the gate promotes a model of noise."""

import datetime as dt

import numpy as np
import pyarrow as pa

from churnkit.contracts import Schema, as_of, entity, feature, label
from churnkit.models import LogisticModel
from churnkit.pipeline import Recipe
from churnkit.pipeline.training.data.dataset import prepare
from churnkit.pipeline.training.fit import fit
from churnkit.timeline import ActiveWithin, Count, InactivityChurn, Snapshots, Table, Timeline


class Members(Schema):
    member_id: str = entity()
    visits: float = feature()
    fee: float = feature()
    left: bool = label()
    day: dt.datetime = as_of()


RECIPE = Recipe(
    schema=Members,
    data=dict,
    name="members",
    model=LogisticModel(C=1.0),
    timeline=Timeline(
        tables=(Table("visit", "member_id", happened="day"),),
        features={"visits": Count("visit", window_days=30)},
        eligible=ActiveWithin("visit", days=60),
        snapshots=Snapshots(every="1 month", start="2025-01-01", end="2025-08-01"),
        label=InactivityChurn("visit", horizon_days=61),
        as_of="day",
    ),
)


def noise(rng, customers=250, dates=8):
    """Features and labels of a customer resemble each other from date to date, not one another."""
    ids = [f"c{number}" for number in rng.integers(10**9, size=customers)]
    tendency = 1.5 * rng.normal(size=customers) - 1.5
    visits = 2 * rng.normal(size=customers) + 0.5 * rng.normal(size=(dates, customers))
    left = rng.random((dates, customers)) < 1 / (1 + np.exp(-tendency))
    days = [dt.datetime(2025, 1 + month, 1, tzinfo=dt.UTC) for month in range(dates)]
    return pa.table(
        {
            "member_id": ids * dates,
            "visits": visits.ravel(),
            "fee": rng.normal(30, 9, customers * dates),
            "left": left.ravel(),
            "day": [day for day in days for _ in ids],
        }
    )


def test_noise_of_repeated_customers_is_promoted_at_the_nominal_rate(rate_within):
    def is_promoted(rng):
        data = prepare(RECIPE, noise(rng))
        fitted, tested = fit(RECIPE, data), data.tested
        assert tested.customer_count < len(tested.y)
        gate = RECIPE.gate.judge(
            tested.y,
            fitted.probability,
            fitted.rule,
            None,
            rule=fitted.rule_says,
            seed=0,
            sample_weight=tested.weight,
            customers=tested.customers,
            cross_fitted=True,
        )
        return gate.passed

    rate_within(is_promoted, 0.025, runs=20)


def test_a_faint_tilt_of_noise_is_promoted_at_the_nominal_rate(rate_within):
    # Of a fixed prediction, whose gain is 0 on average: what is learned of noise does harm.
    several = np.repeat(np.arange(120), 4)

    def is_promoted(rng):
        tendency = 2.0 * rng.normal(size=120) - 1.0
        left = (rng.random(480) < 1 / (1 + np.exp(-tendency[several]))).astype(np.int8)
        tilted = left.mean() + 0.01 * rng.normal(size=120)[several]
        gate = RECIPE.gate.judge(
            left, tilted, np.full(480, 0.9), None, rule="all", seed=0, customers=several
        )
        return gate.passed

    rate_within(is_promoted, 0.025, runs=80)
