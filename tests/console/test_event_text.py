"""Rows of raw tables in words: each kind of table, whatever its rows lack."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from churnkit.console.event_text import tell
from churnkit.insights.table_layouts import LAYOUTS

DAY = date(2026, 10, 2)


@pytest.mark.parametrize(
    ("table", "row", "words"),
    [
        ("subscriptions", {"mrr": 50.0, "plan": "Team", "subscription": "S1", "ended": DAY},
         "Subscription, Team: $50 a month; ended on 2026-10-02"),
        ("subscriptions", {"mrr": None, "status": "paused", "ended": None}, "Subscription; paused"),
        ("orders", {"amount": 19.99, "order": "7"}, "Bought for $19.99"),
        ("orders", {"amount": -5.0}, "Money back: $5"),
        ("orders", {"amount": None}, "Bought"),
        ("events", {"kind": "login", "amount": 0.0}, "Used the product: login"),
        ("events", {"amount": "12.50"}, "Used the product, for $12.50"),
        ("surveys", {"kind": "CSAT", "score": 4.0, "answered": DAY, "text": "fine"},
         "CSAT survey: answered 4 on 2026-10-02: \u201cfine\u201d"),
        ("surveys", {"score": None, "answered": DAY},
         "Survey: answered without a score on 2026-10-02"),
        ("surveys", {"score": float("nan")}, "Survey: not answered"),
        ("tickets", {"topic": "sync", "closed": None}, "Ticket on sync, not closed"),
        ("tickets", {"topic": "sync"}, "Ticket on sync"),
        ("tickets", {"closed": datetime(2026, 10, 2, 5, tzinfo=UTC), "text": ""}, "Ticket, closed on 2026-10-02"),
        ("reviews", {"text": "slow", "score": 2}, "Review, rated 2: \u201cslow\u201d"),
        ("treatments", {"action": "winter_offer", "churned": True},
         "Action: winter offer; the customer left"),
        ("treatments", {"action": "control", "propensity": 1.0, "cost": 0, "churned": None},
         "Decided to do nothing"),
        ("treatments", {"action": None, "churned": "no"},
         "Decided to do nothing; the customer stayed"),
        ("treatments", {"action": "call", "propensity": 0.0612, "cost": 12.5, "churned": 0},
         "Action: A call, at a cost of $12.50; had a 6.1% chance of being chosen; the customer stayed"),
        ("treatments", {"action": "call", "propensity": "0.1741", "cost": "0", "churned": "true"},
         "Action: A call; had a 17% chance of being chosen; the customer left"),
        ("surveys", {"score": "ten", "answered": "2026-10-02T08:00:00"},
         "Survey: answered ten on 2026-10-02"),
        ("visits", {"place": "Bern", "when": DAY}, "place: Bern; when: 2026-10-02"),
    ],
)  # fmt: skip
def test_a_row_is_told_in_words(table, row, words):
    assert tell(table, row, titles={"call": "A call"}, currency="USD") == words


def test_a_long_text_is_cut():
    assert len(tell("reviews", {"text": "x" * 900})) < 250


# The first text that is drawn on a machine takes Hypothesis seconds.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_row_of_a_known_table_is_a_fault(data):
    value = st.none() | st.floats() | st.text(max_size=5) | st.booleans() | st.dates()
    layout = LAYOUTS[data.draw(st.sampled_from(sorted(LAYOUTS)))]
    parts = [part.name for part in layout.parts if part.name not in {"customer", layout.at}]
    row = data.draw(st.dictionaries(st.sampled_from(parts), value))
    assert tell(layout.name, row)
