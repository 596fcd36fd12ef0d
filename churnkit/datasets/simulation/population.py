"""Simulated customers: constant traits and their effects on churn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "ACTIONS",
    "CHANNELS",
    "CONTRACTS",
    "GROUPS",
    "PAYMENTS",
    "PLANS",
    "REGIONS",
    "SEAT_PRICES",
    "Population",
    "draw_population",
]

PLANS = ("Starter", "Team", "Business")
SEAT_PRICES = np.array([9.75, 14.50, 19.25])
REGIONS = ("East", "North", "South", "West")
CHANNELS = ("marketplace", "partner", "web")
CONTRACTS = ("Annual", "Month-to-month")
PAYMENTS = ("card", "direct debit", "invoice")
GROUPS = ("persuadable", "sure thing", "lost cause", "sleeping dog")
ACTIONS = ("none", "call", "discount", "training")

_STARTER, _TEAM, _BUSINESS = range(3)
_MARKETPLACE = 0
_ANNUAL = 0
_DIRECT_DEBIT = 1
_PERSUADABLE, _SURE_THING, _LOST_CAUSE, _SLEEPING_DOG = range(4)

_STOCK_SHARE = 0.55
_STOCK_TENURE_MONTHS = 16.0
_LONGEST_TENURE_MONTHS = 72

# Effects of traits on the monthly log-odds of churn.
_PLAN_EFFECT = np.array([0.25, 0.0, -0.3])
_PAYMENT_EFFECT = np.array([0.0, -0.25, 0.15])
_NOT_ONBOARDED_EFFECT = 0.55
_SEGMENT_EFFECT = 1.1
_GROUP_EFFECT = np.array([0.2, -0.4, 0.35, -0.1])
_FRAILTY_SPREAD = 0.25

# Effect of an active action on the log-odds by group, scaled by how well it suits the customer.
_GROUP_RESPONSE = np.array([-1.4, 0.0, 0.0, 0.9])
_SLEEPING_DOG_SCALE = np.array([0.0, 1.0, 0.6, 0.35])


@dataclass(frozen=True, slots=True)
class Population:
    """Traits of customers; categories are codes.

    Parameters
    ----------
    joined
        Time of joining, in microseconds since 1970 (UTC), shape (n,), as all below.
    join_month
        Month of joining, 0 for the first simulated month; negative before it.
    plan, region, channel, contract, payment, group
        Codes into `PLANS`, `REGIONS`, `CHANNELS`, `CONTRACTS`, `PAYMENTS`, `GROUPS`.
    onboarded, consent
        True if onboarding was completed; True if contact is allowed.
    seats
        Seats at joining.
    appetite
        Usage relative to others in the same state.
    log_odds
        Effect of all traits, the hidden one included, on the monthly log-odds.
    response
        Effect of each of `ACTIONS` on the log-odds while active, shape (n, 4).
    """

    joined: NDArray[np.int64]
    join_month: NDArray[np.int64]
    plan: NDArray[np.int64]
    region: NDArray[np.int64]
    channel: NDArray[np.int64]
    contract: NDArray[np.int64]
    payment: NDArray[np.int64]
    group: NDArray[np.int64]
    onboarded: NDArray[np.bool_]
    consent: NDArray[np.bool_]
    seats: NDArray[np.int64]
    appetite: NDArray[np.float64]
    log_odds: NDArray[np.float64]
    response: NDArray[np.float64]

    @property
    def annual(self) -> NDArray[np.bool_]:
        """True for annual contracts, shape (n,)."""
        annual: NDArray[np.bool_] = self.contract == _ANNUAL
        return annual

    @property
    def seat_price(self) -> NDArray[np.float64]:
        """Price per seat and month, a multiple of 0.25, shape (n,)."""
        prices: NDArray[np.float64] = SEAT_PRICES[self.plan]
        return prices

    def __len__(self) -> int:
        return len(self.joined)


def draw_population(
    customers: int, edges: NDArray[np.int64], rng: np.random.Generator
) -> Population:
    """Draw customers for the months between `edges` (microseconds, UTC)."""
    join_month, joined = _draw_joining(customers, edges, rng)
    plan = rng.choice(3, size=customers, p=[0.45, 0.38, 0.17])
    region = rng.choice(4, size=customers, p=[0.24, 0.30, 0.22, 0.24])
    channel = rng.choice(3, size=customers, p=[0.30, 0.22, 0.48])
    contract = (rng.random(customers) >= np.array([0.22, 0.42, 0.62])[plan]).astype(np.int64)
    payment = rng.choice(3, size=customers, p=[0.52, 0.26, 0.22])
    onboarded = rng.random(customers) < np.array([0.62, 0.78, 0.74])[channel]
    consent = rng.random(customers) < 0.85
    group = _draw_groups(contract, channel, payment, onboarded, rng)
    log_odds = (
        _PLAN_EFFECT[plan]
        + _PAYMENT_EFFECT[payment]
        + _NOT_ONBOARDED_EFFECT * ~onboarded
        + _SEGMENT_EFFECT * ((channel == _MARKETPLACE) & (plan == _STARTER))
        + _GROUP_EFFECT[group]
        + rng.normal(0.0, _FRAILTY_SPREAD, customers)
    )
    smallest = np.array([1, 3, 8])[plan]
    seats = smallest + rng.geometric(np.array([0.5, 0.22, 0.07])[plan]) - 1
    return Population(
        joined=joined,
        join_month=join_month,
        plan=plan,
        region=region,
        channel=channel,
        contract=contract,
        payment=payment,
        group=group,
        onboarded=onboarded,
        consent=consent,
        seats=seats,
        appetite=rng.gamma(20.0, 1 / 20.0, customers),
        log_odds=log_odds,
        response=_response(group, plan, contract, onboarded),
    )


def _draw_joining(
    customers: int, edges: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw joining times: before the start for some, uniform over the months for others."""
    months = len(edges) - 1
    in_stock = rng.random(customers) < _STOCK_SHARE
    tenure = 1 + np.minimum(
        rng.geometric(1 / _STOCK_TENURE_MONTHS, customers), _LONGEST_TENURE_MONTHS
    )
    join_month = np.where(in_stock, -tenure, rng.integers(0, months, customers))
    first = edges[0].astype("datetime64[us]").astype("datetime64[M]")
    month = first + join_month.astype("timedelta64[M]")
    begins = month.astype("datetime64[us]").astype(np.int64)
    ends = (month + np.timedelta64(1, "M")).astype("datetime64[us]").astype(np.int64)
    second = 1_000_000
    within = (rng.random(customers) * ((ends - begins) // second)).astype(np.int64)
    return join_month.astype(np.int64), begins + within * second


def _draw_groups(
    contract: NDArray[np.int64],
    channel: NDArray[np.int64],
    payment: NDArray[np.int64],
    onboarded: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw response groups, which depend in part on observable traits."""
    annual, debit = contract == _ANNUAL, payment == _DIRECT_DEBIT
    logits = np.zeros((len(contract), len(GROUPS)))
    logits[:, _PERSUADABLE] = 0.4 + 1.1 * ~annual + 0.5 * ~onboarded - 0.8 * debit
    logits[:, _SURE_THING] = 0.1 + 1.4 * annual
    logits[:, _LOST_CAUSE] = -0.3 + 0.7 * (channel == _MARKETPLACE)
    logits[:, _SLEEPING_DOG] = -1.3 + 2.2 * debit
    # The largest of logits with Gumbel noise is a draw from their softmax.
    chosen: NDArray[np.int64] = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    return chosen


def _response(
    group: NDArray[np.int64],
    plan: NDArray[np.int64],
    contract: NDArray[np.int64],
    onboarded: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Scale the group's response by how well each action suits the customer."""
    annual = contract == _ANNUAL
    suit = np.zeros((len(group), len(ACTIONS)))
    suit[:, 1] = np.where(plan == _STARTER, 0.45, 1.0)
    suit[:, 2] = np.where(~annual & (plan != _BUSINESS), 0.95, 0.4)
    suit[:, 3] = np.where(onboarded, 0.3, 1.15)
    dog = (group == _SLEEPING_DOG)[:, np.newaxis]
    scale: NDArray[np.float64] = np.where(dog, _SLEEPING_DOG_SCALE, suit)
    return _GROUP_RESPONSE[group][:, np.newaxis] * scale
