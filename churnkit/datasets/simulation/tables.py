"""Tables of the simulated company, built from its history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from churnkit.datasets.simulation.arrow_columns import delay_some, row_ids, to_names, to_timestamps
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

__all__ = ["build_tables", "customer_ids"]

_SECOND = 1_000_000
_EVENT_TYPES = ("automation", "export", "purchase", "report", "session")
# Probability of each event type in 1/256: thriving, steady, fading.
_EVENT_MIX = np.array([[44, 24, 6, 46, 136], [20, 24, 5, 41, 166], [6, 24, 3, 30, 193]])
_OUTCOME_DAYS = 90
_FLAT_COST = np.array([0.0, 12.0, 0.0, 25.0])
_DISCOUNT = 0.2
_DISCOUNT_MONTHS = 3
_QUARTER = 0.25


def customer_ids(count: int) -> NDArray[np.str_]:
    """Return the ids of `count` customers.

    Examples
    --------
    >>> customer_ids(2).tolist()
    ['C0000001', 'C0000002']
    """
    return np.array([f"C{number:07d}" for number in range(1, count + 1)])


def build_tables(
    ids: NDArray[np.str_], people: Population, history: History, rng: np.random.Generator
) -> dict[str, pa.Table]:
    """Build all six tables, without rows that become available after the end."""
    customers = pa.array(ids.tolist())
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
            "region": to_names(REGIONS, people.region),
            "channel": to_names(CHANNELS, people.channel),
            "onboarded": pa.array(people.onboarded),
            "contact_consent": pa.array(people.consent),
            "joined_at": to_timestamps(people.joined),
            "available_at": to_timestamps(people.joined),
        }
    )


def _subscriptions(customers: pa.Array, people: Population, history: History) -> pa.Table:
    """Build one row for each period of constant seats."""
    subscriber, number, start, end = history.spells.T
    changed, time, after = history.seat_changes.T
    # Starts of all periods, ordered by customer and time.
    customer = np.concatenate([subscriber, changed])
    begins = np.concatenate([start, time])
    order = np.lexsort((begins, customer))
    is_spell = np.concatenate([np.ones(len(subscriber), bool), np.zeros(len(changed), bool)])[order]
    customer, begins = customer[order], begins[order]
    spell = np.lexsort((start, subscriber))[np.cumsum(is_spell) - 1]
    position = np.arange(len(order))
    version = position - np.maximum.accumulate(np.where(is_spell, position, 0)) + 1
    next_in_spell = np.append(~is_spell[1:], False)
    ends = np.where(next_in_spell, np.append(begins[1:], NEVER), end[spell])
    seats = _seats_of_rows(people, customer, is_spell, np.concatenate([subscriber, after])[order])
    reason = pa.array(next_in_spell.astype(np.int8), mask=ends == NEVER)
    names = customers.take(pa.array(customer))
    ids = [
        f"S{name[1:]}-{count}"
        for name, count in zip(names.to_pylist(), number[spell].tolist(), strict=True)
    ]
    return pa.table(
        {
            "subscription_id": pa.array(ids),
            "version": pa.array(version),
            "customer_id": names,
            "plan": to_names(PLANS, people.plan[customer]),
            "contract": to_names(CONTRACTS, people.contract[customer]),
            "payment": to_names(PAYMENTS, people.payment[customer]),
            "seats": pa.array(seats),
            "mrr": pa.array(seats * people.seat_price[customer]),
            "started_at": to_timestamps(begins),
            "ended_at": to_timestamps(ends),
            "end_reason": pa.array(["cancelled", "changed"]).take(reason),
            "available_at": to_timestamps(begins),
        }
    )


def _seats_of_rows(
    people: Population,
    customer: NDArray[np.int64],
    is_spell: NDArray[np.bool_],
    changed_seats: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the seats of each row; a spell starts with the previous seats, or the first."""
    first = np.append(True, customer[1:] != customer[:-1])
    seats = np.where(is_spell, 0, changed_seats)
    seats[first] = people.seats[customer[first]]
    # A returning customer continues with the seats of the previous row.
    filled = np.maximum.accumulate(np.where(seats > 0, np.arange(len(seats)), 0))
    return seats[filled]


def _events(
    customers: pa.Array, people: Population, history: History, rng: np.random.Generator
) -> pa.Table:
    """Build one row per session, ordered by month and customer."""
    counts = history.sessions.T.ravel()
    cell = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    customer = cell % len(people)
    begin, end = history.begin.T.ravel()[cell], history.end.T.ravel()[cell]
    seconds = (rng.random(len(cell)) * ((end - begin) // _SECOND)).astype(np.int64)
    occurred = begin + seconds * _SECOND
    available = delay_some(occurred, rng)
    mood = history.state.T.ravel()[cell] // 2
    kind = _event_lookup()[mood, rng.integers(0, 256, len(cell), dtype=np.uint8)]
    amount = np.where(kind == _EVENT_TYPES.index("purchase"), 1.0, 0.0)
    amount *= rng.integers(20, 201, len(cell), dtype=np.uint8) * _QUARTER
    table = pa.table(
        {
            "customer_id": customers.take(pa.array(customer.astype(np.int32))),
            "event_type": to_names(_EVENT_TYPES, kind),
            "occurred_at": to_timestamps(occurred),
            "available_at": to_timestamps(available),
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
    """Build one row per campaign decision, including those for no action."""
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
            "decision_id": row_ids("D", len(customer)),
            "customer_id": customers.take(pa.array(customer)),
            "action": to_names(ACTIONS, action),
            "propensity": pa.array(history.propensities[np.arange(len(action)), action]),
            "cost": pa.array(cost),
            "decided_at": to_timestamps(decided),
            "available_at": to_timestamps(decided),
            "churned": pa.array(churned, mask=~mature),
            "outcome_at": to_timestamps(outcome_at),
        }
    )
