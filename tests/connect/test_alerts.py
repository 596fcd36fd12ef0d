"""Rules of alerts, and which customers get a message."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from churnkit.connect import Alerts, NewRow, RiskRise, Threshold, push, select_alerts
from churnkit.errors import ConnectError, DataError
from churnkit.journal import DecisionRecord, Journal
from tests.connect.servers.asgi import AsgiTransport

NOW = datetime(2026, 11, 4, 12, tzinfo=UTC)  # a Wednesday
SCORES = pd.DataFrame(
    {
        "customer_id": ["a", "b", "c", "d"],
        "churn_probability": [0.7, 0.55, 0.3, 0.1],
        "mrr": [5000.0, 10.0, 5000.0, 20.0],
    }
)
EARLIER = pd.DataFrame({"customer_id": ["a", "b", "c"], "churn_probability": [0.65, 0.3, 0.1]})
SURVEYS = pd.DataFrame(
    {
        "customer_id": ["c", "d", "d", None],
        "score": [9, 3, 6, 0],
        "answered_at": ["2026-11-03", "2026-11-01T08:00:00Z", "2026-09-01", "2026-11-03"],
    }
)


@pytest.fixture
def journal(tmp_path):
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as opened:
        yield opened


def select(journal, *rules, now=NOW, **given):
    alerts = Alerts(*rules, to="team", link="https://console.example.com/{customer}")
    return select_alerts(alerts, given.pop("scores", SCORES), journal, now=now, **given)


def reasons(selection):
    return {message.customer: message.fields["reason"] for message in selection.messages}


def test_a_rise_needs_earlier_scores_and_compares_the_same_customer(journal):
    assert reasons(select(journal, RiskRise(0.2))) == {}
    assert reasons(select(journal, RiskRise(0.2), earlier=EARLIER)) == {
        "b": "churn risk 55%, up from 30%",
        "c": "churn risk 30%, up from 10%",
    }


def test_a_threshold_is_crossed_once(journal):
    rule = Threshold(0.5, value="mrr", at_least=1000)
    assert set(reasons(select(journal, Threshold(0.5)))) == {"a", "b"}
    assert set(reasons(select(journal, Threshold(0.5), earlier=EARLIER))) == {"b"}
    assert reasons(select(journal, rule)) == {"a": "churn_probability 0.7, above 0.5; mrr 5,000"}


def test_recent_rows_of_a_table_count(journal):
    rule = NewRow("surveys", "score", at_most=6, time="answered_at", name="detractor")
    assert reasons(select(journal, rule, tables={"surveys": SURVEYS})) == {"d": "surveys: score 3"}
    payments = pd.DataFrame(
        {"customer_id": ["z"], "status": ["FAILED"], "paid_at": [NOW - timedelta(days=1)]}
    )
    failed = NewRow("charges", "status", equals=("failed",), time="paid_at", reason="card failed")
    # Customers without a score are told too.
    assert reasons(select(journal, failed, tables={"charges": payments})) == {"z": "card failed"}


def test_reasons_of_several_rules_are_one_message(journal):
    rules = (
        RiskRise(0.2),
        NewRow("surveys", "score", at_most=9, time="answered_at", name="detractor"),
    )
    selection = select(journal, *rules, earlier=EARLIER, tables={"surveys": SURVEYS})
    message = next(m for m in selection.messages if m.customer == "c")
    assert message.fields["reason"] == "churn risk 30%, up from 10%; surveys: score 9"
    assert (message.action, message.value("mrr"), message.kind) == ("risk_rise", 5000.0, "alert")
    assert message.fields["link"] == "https://console.example.com/c"


def test_the_id_in_a_link_is_quoted(journal):
    scores = SCORES.assign(customer_id=["a/b?c", "{0}", "c", "d"])
    links = [m.fields["link"] for m in select(journal, Threshold(0.5), scores=scores).messages]
    assert links == ["https://console.example.com/a%2Fb%3Fc", "https://console.example.com/%7B0%7D"]


def test_held_out_and_erased_customers_get_no_alert(journal):
    journal.record(
        [
            DecisionRecord("k1", "a", NOW, NOW, "shop", holdout="global", propensity=0.9),
            DecisionRecord("k2", "b", NOW, NOW, "shop", action="call", propensity=0.9),
        ]
    )
    assert set(reasons(select(journal, Threshold(0.2)))) == {"b", "c"}
    journal.erase("c", at=NOW)
    selection = select(journal, Threshold(0.2))
    assert set(reasons(selection)) == {"b"}
    assert selection.skipped == {"held out": 1, "erased": 1}


class Room:
    """A destination that keeps messages."""

    batch, repeatable, undoable = 2, False, False

    def __init__(self):
        self.texts = []

    def open(self, name, link):
        del name, link
        return self

    def send(self, messages):
        from churnkit.connect import Receipt

        self.texts += [message.customer for message in messages]
        return [Receipt(message.decision) for message in messages]


def test_each_customer_is_told_once_a_period_and_nothing_counts_as_an_outcome(journal, clock):
    from random import Random

    from churnkit.connect import Link

    room, link = Room(), Link(AsgiTransport(None, clock), clock, Random(0))  # noqa: S311
    for now in (NOW, NOW + timedelta(days=3)):
        push(select(journal, Threshold(0.2), now=now), "team", room, journal, link=link)
    assert room.texts == ["a", "b", "c"]
    # The next Monday begins a new period.
    push(
        select(journal, Threshold(0.6), now=NOW + timedelta(days=5)),
        "team",
        room,
        journal,
        link=link,
    )
    assert room.texts == ["a", "b", "c", "a"]
    assert journal.outcomes().num_rows == 0


@pytest.mark.parametrize(
    ("rule", "given", "message"),
    [
        (RiskRise(0.2, column="risk"), {"earlier": EARLIER}, "no column 'risk'"),
        (NewRow("nps", "score", at_most=6, time="at"), {}, "pass --table nps=FILE"),
        (
            NewRow("surveys", "score", at_most=6, time="customer_id"),
            {"tables": {"surveys": SURVEYS}},
            "column 'customer_id' is not a time in 3 rows",
        ),
        (
            Threshold(0.5, column="customer_id"),
            {},
            "column 'customer_id' is not a number in 4 rows",
        ),
        (RiskRise(0.2), {"scores": SCORES.assign(customer_id=None)}, "4 rows have no customer"),
        (RiskRise(0.2), {"earlier": pd.concat([EARLIER, EARLIER])}, "3 rows repeat a customer"),
    ],
)
def test_wrong_columns_and_tables_are_refused_in_words(journal, rule, given, message):
    with pytest.raises((DataError, ConnectError), match=message):
        select(journal, rule, **given)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RiskRise(0), "by must be between 0 and 1"),
        (lambda: NewRow("t", "c", time="at"), "either equals or at_most"),
        (lambda: NewRow("t", "c", time="at", equals="failed"), "equals is a tuple"),
        (lambda: Alerts(to="team"), "at least one rule"),
        (lambda: Alerts(RiskRise(0.1), RiskRise(0.2), to="team"), "two rules have one name"),
        (lambda: Alerts(RiskRise(0.1), to="team", period_days=0), "must be positive"),
    ],
)
def test_invalid_rules_are_refused(build, message):
    with pytest.raises(ConnectError, match=message):
        build()
