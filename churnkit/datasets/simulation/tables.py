"""The tables that the simulated company would have: made from what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnkit.datasets.simulation.arrow_columns import made_late, named, numbered, timestamps
from churnkit.datasets.simulation.history import DAY, NEVER, History
from churnkit.datasets.simulation.population import (
    ACTIONS,
    CHANNELS,
    CONTRACTS,
    PAYMENTS,
    PLANS,
    REGIONS,
    Population,
)
from churnkit.datasets.simulation.tickets_and_surveys import surveys_table, tickets_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["customer_names", "make_tables"]

_SECOND = 1_000_000
_EVENT_TYPES = ("automation", "export", "purchase", "report", "session")
# Chance of each event type, in parts of 256: thriving, steady, fading.
_EVENT_MIX = np.array([[44, 24, 6, 46, 136], [20, 24, 5, 41, 166], [6, 24, 3, 30, 193]])
_OUTCOME_DAYS = 90
_FLAT_COST = np.array([0.0, 12.0, 0.0, 25.0])
_DISCOUNT = 0.2
_DISCOUNT_MONTHS = 3
_QUARTER = 0.25


def customer_names(count: int) -> NDArray[np.str_]:
    """Return the names of `count` customers.

    Examples
    --------
    >>> customer_names(2).tolist()
    ['C0000001', 'C0000002']
    """
    return np.array([f"C{number:07d}" for number in range(1, count + 1)])


def make_tables(
    names: NDArray[np.str_], people: Population, history: History, rng: np.random.Generator
) -> dict[str, pa.Table]:
    """Make all six tables; rows that would only be known after the end are left out."""
    customers = pa.array(names.tolist())
    tickets = tickets_table(customers, history, rng)
    return {
        "customers": _customers(customers, people),
        "subscriptions": _subscriptions(customers, people, history),
        "events": _events(customers, people, history, rng),
        "tickets": tickets,
        "surveys": surveys_table(customers, tickets, history, rng),
        "treatments": _treatments(customers, people, history),
    }


def _customers(customers: pa.Array, people: Population) -> pa.Table:
    emails = [f"{name.lower()}@example.invalid" for name in customers.to_pylist()]
    return pa.table(
        {
            "customer_id": customers,
            "email": pa.array(emails),
            "region": named(REGIONS, people.region),
            "channel": named(CHANNELS, people.channel),
            "onboarded": pa.array(people.onboarded),
            "contact_consent": pa.array(people.consent),
            "joined_at": timestamps(people.joined),
            "available_at": timestamps(people.joined),
        }
    )


def _subscriptions(customers: pa.Array, people: Population, history: History) -> pa.Table:
    """One row for each stretch of time in which a customer's seats stayed the same."""
    who, number, start, end = history.spells.T
    changed, when, after = history.seat_changes.T
    # Beginnings of all stretches, in order of customer and time.
    customer = np.concatenate([who, changed])
    begins = np.concatenate([start, when])
    order = np.lexsort((begins, customer))
    is_spell = np.concatenate([np.ones(len(who), bool), np.zeros(len(changed), bool)])[order]
    customer, begins = customer[order], begins[order]
    spell = np.lexsort((start, who))[np.cumsum(is_spell) - 1]
    position = np.arange(len(order))
    version = position - np.maximum.accumulate(np.where(is_spell, position, 0)) + 1
    next_in_spell = np.append(~is_spell[1:], False)
    ends = np.where(next_in_spell, np.append(begins[1:], NEVER), end[spell])
    seats = _seats_of_rows(people, customer, is_spell, np.concatenate([who, after])[order])
    reason = pa.array(next_in_spell.astype(np.int8), mask=ends == NEVER)
    names = customers.take(pa.array(customer))
    ids = [
        f"S{name[1:]}-{which}"
        for name, which in zip(names.to_pylist(), number[spell].tolist(), strict=True)
    ]
    return pa.table(
        {
            "subscription_id": pa.array(ids),
            "version": pa.array(version),
            "customer_id": names,
            "plan": named(PLANS, people.plan[customer]),
            "contract": named(CONTRACTS, people.contract[customer]),
            "payment": named(PAYMENTS, people.payment[customer]),
            "seats": pa.array(seats),
            "mrr": pa.array(seats * people.seat_price[customer]),
            "started_at": timestamps(begins),
            "ended_at": timestamps(ends),
            "end_reason": pa.array(["cancelled", "changed"]).take(reason),
            "available_at": timestamps(begins),
        }
    )


def _seats_of_rows(
    people: Population,
    customer: NDArray[np.int64],
    is_spell: NDArray[np.bool_],
    given: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Fill in the seats with which a spell begins: those of the day before, or the first."""
    first = np.append(True, customer[1:] != customer[:-1])
    seats = np.where(is_spell, 0, given)
    seats[first] = people.seats[customer[first]]
    # A customer who came back continues with the seats of the row before.
    filled = np.maximum.accumulate(np.where(seats > 0, np.arange(len(seats)), 0))
    return seats[filled]


def _events(
    customers: pa.Array, people: Population, history: History, rng: np.random.Generator
) -> pa.Table:
    """One row for each use of the product, by month and within it by customer."""
    counts = history.sessions.T.ravel()
    cell = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    customer = cell % len(people)
    begin, end = history.begin.T.ravel()[cell], history.end.T.ravel()[cell]
    seconds = (rng.random(len(cell)) * ((end - begin) // _SECOND)).astype(np.int64)
    occurred = begin + seconds * _SECOND
    available = made_late(occurred, rng)
    mood = history.state.T.ravel()[cell] // 2
    kind = _event_lookup()[mood, rng.integers(0, 256, len(cell), dtype=np.uint8)]
    amount = np.where(kind == _EVENT_TYPES.index("purchase"), 1.0, 0.0)
    amount *= rng.integers(20, 201, len(cell), dtype=np.uint8) * _QUARTER
    table = pa.table(
        {
            "customer_id": customers.take(pa.array(customer.astype(np.int32))),
            "event_type": named(_EVENT_TYPES, kind),
            "occurred_at": timestamps(occurred),
            "available_at": timestamps(available),
            "minutes": pa.array(rng.integers(1, 61, len(cell), dtype=np.uint8).astype(np.int64)),
            "amount": pa.array(amount),
        }
    )
    return table.filter(pa.array(available < history.edges[-1]))


def _event_lookup() -> NDArray[np.uint8]:
    return np.stack(
        [np.repeat(np.arange(len(_EVENT_TYPES), dtype=np.uint8), mix) for mix in _EVENT_MIX]
    )


def _treatments(customers: pa.Array, people: Population, history: History) -> pa.Table:
    """One row for each decision of a campaign, those to do nothing included."""
    customer, month, action, spell = history.treatments.T
    decided = history.edges[month]
    outcome_at = decided + _OUTCOME_DAYS * DAY
    mrr = history.seats[customer, month] * people.seat_price[customer]
    discount = np.round(_DISCOUNT * _DISCOUNT_MONTHS * mrr / _QUARTER) * _QUARTER
    cost = np.where(action == ACTIONS.index("discount"), discount, _FLAT_COST[action])
    mature = outcome_at <= history.edges[-1]
    churned = history.spells[spell, 3] < outcome_at
    return pa.table(
        {
            "decision_id": numbered("D", len(customer)),
            "customer_id": customers.take(pa.array(customer)),
            "action": named(ACTIONS, action),
            "propensity": pa.array(history.propensities[np.arange(len(action)), action]),
            "cost": pa.array(cost),
            "decided_at": timestamps(decided),
            "available_at": timestamps(decided),
            "churned": pa.array(churned, mask=~mature),
            "outcome_at": timestamps(outcome_at),
        }
    )
