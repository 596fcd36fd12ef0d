"""Support tickets and surveys of simulated customers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from churnkit.datasets.simulation.arrow_columns import delay_some, row_ids, to_names, to_timestamps
from churnkit.datasets.simulation.history import DAY, NEVER, History
from churnkit.datasets.simulation.texts import all_texts, draw_texts

__all__ = ["SURVEYS", "TOPICS", "surveys_table", "tickets_table"]

TOPICS = ("access", "billing", "how-to", "performance", "sync")
SURVEYS = ("CES", "CSAT", "NPS")
_CES, _CSAT, _NPS = range(3)
_SYNC = TOPICS.index("sync")

_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_OTHER_TICKETS_A_MONTH = 0.07
_OTHER_TOPICS = np.cumsum([0.22, 0.28, 0.32, 0.15, 0.03])
_PROBLEM_IS_SYNC = 0.9
_NPS_EVERY_MONTHS = 3
_NPS_RESPONSE = np.array([0.50, 0.34, 0.18])
_NPS_MEAN = np.array([8.9, 7.6, 6.1])
_NPS_PROBLEM = -2.2
_NPS_SPREAD = 1.5
_AFTER_TICKET_RESPONSE = 0.4
_TEXT_SHARE = np.array([0.35, 0.35, 0.55])
_LOWEST = np.array([1, 1, 0])
_HIGHEST = np.array([7, 5, 10])
_HAPPY_FROM = np.array([5, 4, 8])


def tickets_table(customers: pa.Array, history: History, rng: np.random.Generator) -> pa.Table:
    """Build the tickets of sync problems and of other topics."""
    customer, opened, closed = history.problem_tickets.T
    sync = rng.random(len(customer)) < _PROBLEM_IS_SYNC
    topic = np.where(sync, _SYNC, TOPICS.index("performance"))
    cell, moment = _other_ticket_times(history, rng)
    days = np.minimum(rng.lognormal(0.3, 0.7, len(cell)), 12.0)
    solved = moment + (days * DAY // _SECOND).astype(np.int64) * _SECOND
    solved[solved >= history.edges[-1]] = NEVER
    other = np.searchsorted(_OTHER_TOPICS, rng.random(len(cell)), side="right")
    customer = np.concatenate([customer, cell // history.months])
    opened = np.concatenate([opened, moment])
    closed = np.concatenate([closed, solved])
    topic = np.concatenate([topic, np.minimum(other, len(TOPICS) - 1)])
    order = np.lexsort((customer, opened))
    opened = opened[order]
    available = delay_some(opened, rng)
    # A delayed row becomes available before it is closed.
    available = np.minimum(available, closed[order])
    table = pa.table(
        {
            "ticket_id": row_ids("T", len(order)),
            "customer_id": customers.take(pa.array(customer[order])),
            "topic": to_names(TOPICS, topic[order]),
            "opened_at": to_timestamps(opened),
            "closed_at": to_timestamps(closed[order]),
            "available_at": to_timestamps(available),
        }
    )
    return table.filter(pa.array(available < history.edges[-1]))


def surveys_table(
    customers: pa.Array, tickets: pa.Table, history: History, rng: np.random.Generator
) -> pa.Table:
    """Build the surveys: NPS per quarter, CSAT or CES after a ticket; most are unanswered."""
    nps = _nps_surveys(history, rng)
    after = _ticket_surveys(customers, tickets, history, rng)
    customer, kind, sent, score, problem = (
        np.concatenate(pair) for pair in zip(nps, after, strict=True)
    )
    order = np.lexsort((customer, sent))
    customer, kind, sent, score, problem = (
        column[order] for column in (customer, kind, sent, score, problem)
    )
    score = np.clip(score, _LOWEST[kind], _HIGHEST[kind])
    wait = (np.minimum(rng.lognormal(2.0, 1.2, len(sent)), 240.0) * 3600).astype(np.int64)
    answered = np.where(problem < 0, NEVER, sent + (wait + 60) * _SECOND)
    answered[answered >= history.edges[-1]] = NEVER
    silent = answered == NEVER
    wordless = silent | (rng.random(len(sent)) >= _TEXT_SHARE[kind])
    text = draw_texts(problem == 1, score >= _HAPPY_FROM[kind], rng)
    return pa.table(
        {
            "survey_id": row_ids("V", len(order)),
            "customer_id": customers.take(pa.array(customer)),
            "kind": to_names(SURVEYS, kind),
            "sent_at": to_timestamps(sent),
            "answered_at": to_timestamps(answered),
            "score": pa.array(score, mask=silent),
            "text": pa.array(all_texts()).take(pa.array(text, mask=wordless)),
            "available_at": to_timestamps(sent),
        }
    )


_Surveys = tuple[NDArray[np.int64], ...]


def _nps_surveys(history: History, rng: np.random.Generator) -> _Surveys:
    """Return customer, kind, time, score, and problem: 0 no, 1 yes, -1 unanswered."""
    months = history.months
    state = history.state[:, :months].ravel().astype(np.int64)
    cell = np.flatnonzero((state >= 0) & (history.tenure[:, :months].ravel() > 0))
    customer, month = np.divmod(cell, months)
    due = (customer + month) % _NPS_EVERY_MONTHS == 0
    cell, customer, month = cell[due], customer[due], month[due]
    delay = (4 * DAY + rng.random(len(cell)) * 16 * DAY) // _SECOND
    sent = history.edges[month] + delay.astype(np.int64) * _SECOND
    there = sent < history.end.ravel()[cell]
    cell, customer, sent = cell[there], customer[there], sent[there]
    mood, problem = np.divmod(state[cell], 2)
    answers = rng.random(len(cell)) < _NPS_RESPONSE[mood]
    mean = _NPS_MEAN[mood] + _NPS_PROBLEM * problem
    score = np.rint(rng.normal(mean, _NPS_SPREAD)).astype(np.int64)
    return customer, np.full(len(cell), _NPS), sent, score, np.where(answers, problem, -1)


def _ticket_surveys(
    customers: pa.Array, tickets: pa.Table, history: History, rng: np.random.Generator
) -> _Surveys:
    """Return the same five columns for closed tickets."""
    last_closed = pa.scalar(int(history.edges[-1]) - _HOUR).cast(tickets["closed_at"].type)
    tickets = tickets.filter(pc.less(tickets["closed_at"], last_closed))
    customer = pc.index_in(tickets["customer_id"], customers).to_numpy().astype(np.int64)
    sent = tickets["closed_at"].to_numpy().astype(np.int64) + _HOUR
    opened = tickets["opened_at"].to_numpy().astype(np.int64)
    problem = (tickets["topic"].to_numpy() == "sync").astype(np.int64)
    kind = rng.integers(_CES, _CSAT + 1, len(sent))
    days = (sent - opened) / DAY
    pleased = 0.95 - 0.16 * np.log1p(days) + rng.normal(0.0, 0.2, len(sent))
    span = _HIGHEST[kind] - _LOWEST[kind]
    score = np.rint(_LOWEST[kind] + span * pleased).astype(np.int64)
    answers = rng.random(len(sent)) < _AFTER_TICKET_RESPONSE
    return customer, kind, sent, score, np.where(answers, problem, -1)


def _other_ticket_times(
    history: History, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return cells of the customer-month grid, and times within them."""
    begin, end = history.begin.ravel(), history.end.ravel()
    share = (end - begin) / np.tile(np.diff(history.edges), len(history.seats))
    counts = rng.poisson(_OTHER_TICKETS_A_MONTH * share)
    cell = np.repeat(np.arange(len(counts)), counts)
    seconds = (rng.random(len(cell)) * ((end - begin)[cell] // _SECOND)).astype(np.int64)
    return cell, begin[cell] + seconds * _SECOND
