"""Descriptions of rows of each raw table, with and without missing values."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnkit.console.event_text import describe_event
from churnkit.insights.table_layouts import LAYOUTS

DAY = date(2026, 10, 2)


@pytest.mark.parametrize(
    ("table", "row", "text"),
    [
        ("subscriptions", {"mrr": 50.0, "plan": "Team", "subscription": "S1", "ended": DAY},
         "Subscription, Team: $50 a month; ended 2026-10-02"),
        ("subscriptions", {"mrr": None, "status": "paused", "ended": None}, "Subscription; paused"),
        ("orders", {"amount": 19.99, "order": "7"}, "Order: $19.99"),
        ("orders", {"amount": -5.0}, "Refund: $5"),
        ("orders", {"amount": None}, "Order"),
        ("events", {"kind": "login", "amount": 0.0}, "Product event: login"),
        ("events", {"amount": "12.50"}, "Product event, $12.50"),
        ("surveys", {"kind": "CSAT", "score": 4.0, "answered": DAY, "text": "fine"},
         "CSAT survey: score 4, 2026-10-02: \u201cfine\u201d"),
        ("surveys", {"score": None, "answered": DAY},
         "Survey: answered without a score, 2026-10-02"),
        ("surveys", {"score": float("nan")}, "Survey: no answer"),
        ("tickets", {"topic": "sync", "closed": None}, "Support ticket: sync, open"),
        ("tickets", {"topic": "sync"}, "Support ticket: sync"),
        ("tickets", {"closed": datetime(2026, 10, 2, 5, tzinfo=UTC), "text": ""}, "Support ticket, closed 2026-10-02"),
        ("reviews", {"text": "slow", "score": 2}, "Review, rating 2: \u201cslow\u201d"),
        ("treatments", {"action": "winter_offer", "churned": True},
         "Action: winter offer; customer churned"),
        ("treatments", {"action": "control", "propensity": 1.0, "cost": 0, "churned": None},
         "No action"),
        ("treatments", {"action": None, "churned": "no"},
         "No action; customer stayed"),
        ("treatments", {"action": "call", "propensity": 0.0612, "cost": 12.5, "churned": 0},
         "Action: A call; cost $12.50; chosen with a probability of 6.1%; customer stayed"),
        ("treatments", {"action": "call", "propensity": "0.1741", "cost": "0", "churned": "true"},
         "Action: A call; chosen with a probability of 17%; customer churned"),
        ("surveys", {"score": "ten", "answered": "2026-10-02T08:00:00"},
         "Survey: score ten, 2026-10-02"),
        ("visits", {"place": "Bern", "when": DAY}, "place: Bern; when: 2026-10-02"),
    ],
)  # fmt: skip
def test_a_row_is_described(table, row, text):
    assert describe_event(table, row, titles={"call": "A call"}, currency="USD") == text


def test_a_long_text_is_cut():
    assert len(describe_event("reviews", {"text": "x" * 900})) < 250


# Hypothesis takes seconds to draw its first text.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_row_of_a_known_table_has_a_description(data):
    value = st.none() | st.floats() | st.text(max_size=5) | st.booleans() | st.dates()
    layout = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]
    parts = [part.name for part in layout.parts if part.name not in {"customer", layout.at}]
    row = data.draw(st.dictionaries(st.sampled_from(parts), value))
    assert describe_event(layout.name, row)
