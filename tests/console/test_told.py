"""Rows of raw tables in words: nothing missing is told, and nothing is too long."""

from __future__ import annotations

from datetime import date

import pytest

from churnkit.console.told import said, tell
from churnkit.insights import LAYOUTS


@pytest.mark.parametrize(
    ("table", "parts", "words"),
    [
        (
            "subscriptions",
            {"plan": "Business", "mrr": 1674.75, "subscription": "S1", "ended": date(2026, 1, 2)},
            "Began a subscription of Business for 1,674.75 a month, until 2026-01-02",
        ),
        ("orders", {"amount": 30.0, "order": "A1"}, "Ordered for 30"),
        ("events", {"kind": "export", "amount": 0}, "Export"),
        ("events", {"amount": "2.5"}, "Used the product for 2.5"),
        ("surveys", {"kind": "CSAT", "score": None}, "Left a survey (CSAT) unanswered"),
        ("surveys", {"score": 0, "text": "so so"}, 'Answered a survey with 0: "so so"'),
        ("tickets", {"topic": "sync", "closed": None}, "Asked the help desk on sync, still open"),
        (
            "tickets",
            {"closed": date(2026, 1, 2), "text": "It <b>fails</b>"},
            'Asked the help desk, closed 2026-01-02: "It <b>fails</b>"',
        ),
        ("reviews", {"score": 4, "text": "good"}, 'Wrote a review with 4: "good"'),
        ("treatments", {"action": "none", "propensity": 0.5, "cost": 0.0}, "Got no action"),
        ("treatments", {"action": "call", "cost": 12.0}, "Got call, which cost 12"),
    ],
)
def test_a_row_is_told_in_words(table, parts, words):
    assert tell(table, parts) == words


@pytest.mark.parametrize("table", sorted(LAYOUTS))
def test_a_row_of_nothing_is_told_as_well(table):
    nothing = {part.name: None for part in LAYOUTS[table].parts}
    assert tell(table, nothing)
    assert tell(table, {})


def test_long_words_are_cut():
    assert len(said("x" * 1_000)) < 250
    assert said("x" * 1_000).endswith("...")
