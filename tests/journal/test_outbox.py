"""The outbox on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from churnkit.errors import JournalError
from churnkit.journal import DecisionRecord, Outbox

AT = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def outbox(journal):
    decisions = [
        DecisionRecord(f"k{i}", f"c{i}", AT, AT, "shop", action="call", propensity=0.9)
        for i in range(4)
    ]
    journal.record(decisions)
    return Outbox(journal)


def test_a_decision_is_added_once_per_destination(outbox):
    assert outbox.add("crm", {"k0": "c0", "k1": "c1"}, at=AT) == 2
    assert outbox.add("crm", {"k1": "c1", "k2": "c2"}, at=AT) == 1
    assert outbox.add("mail", {"k1": "c1"}, at=AT) == 1
    assert outbox.counts("crm") == {"pending": 3}


def test_a_claimed_decision_cannot_be_claimed_again(outbox):
    outbox.add("crm", {"k0": "c0", "k1": "c1"}, at=AT)
    assert outbox.claim("crm", ["k0", "k1", "k2"], at=AT) == {"k0", "k1"}
    assert outbox.claim("crm", ["k0", "k1"], at=AT) == set()
    outbox.mark("crm", {"k0": None}, "sent", at=AT)
    outbox.mark("crm", {"k1": "NOT_FOUND"}, "failed", at=AT)
    assert outbox.states("crm", ["k0", "k1", "k2"]) == {"k0": "sent", "k1": "failed"}


def test_what_was_sent_is_an_outcome_of_its_decision(outbox, journal):
    outbox.add("crm", {"k0": "c0", "k1": "c1"}, at=AT)
    outbox.mark("crm", {"k0": None}, "sent", at=AT)
    rows = journal.outcomes(kind="sent").to_pylist()
    assert [(row["decision"], row["customer"]) for row in rows] == [("k0", "c0")]
    with pytest.raises(JournalError):
        outbox.mark("crm", {"missing": None}, "sent", at=AT)
    assert outbox.counts("crm") == {"pending": 1, "sent": 1}


def test_erasing_a_customer_deletes_its_deliveries(outbox, journal):
    outbox.add("crm", {"k0": "c0", "k1": "c1"}, at=AT)
    journal.erase("c0", at=AT)
    assert outbox.in_state("crm", "pending") == {"k1": "c1"}
