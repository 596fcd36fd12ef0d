"""Pushes to Braze, Klaviyo and Intercom."""

from __future__ import annotations

import os
from random import Random

import pyarrow as pa
import pytest

from churnkit.connect import (
    BrazeUsers,
    Env,
    IntercomContacts,
    KlaviyoEvents,
    Link,
    push,
    select_messages,
    undo,
)
from churnkit.errors import ConnectError
from churnkit.journal import DecisionRecord, Journal
from tests.connect.servers.asgi import AsgiTransport
from tests.connect.servers.faults import START, Faults
from tests.connect.servers.marketing import BrazeServer, IntercomServer, KlaviyoServer

RUNS = int(os.environ.get("CHURNKIT_CONNECT_RUNS", "3"))
CUSTOMERS = [f"c{i}" for i in range(90)]
COUNT = len(CUSTOMERS)
KEY = Env("PROVIDER_KEY")
BRAZE = BrazeUsers("https://rest.example.com", KEY, {"churnkit_action": "action", "gain": "gain"})
KLAVIYO = KlaviyoEvents(KEY, properties={"action": "action", "gain": "gain"})
INTERCOM = IntercomContacts(KEY)


@pytest.fixture
def journal(tmp_path):
    records = [
        DecisionRecord(
            f"key-{name}",
            name,
            START,
            START,
            "shop",
            period="2026-11",
            action="call",
            propensity=0.9,
        )
        for name in CUSTOMERS
    ]
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as opened:
        opened.record(records)
        yield opened


def send(journal, name, destination, server, clock):
    plan = {"customer_id": CUSTOMERS, "action": ["call"] * COUNT, "gain": [2.5] * COUNT}
    chosen = select_messages(pa.table(plan), journal)
    return push(chosen, name, destination, journal, link=link(server, clock))


def link(server, clock):
    return Link(AsgiTransport(server, clock), clock, Random(0))  # noqa: S311


def pairs(clock, faults=None):
    braze, intercom = BrazeServer(clock, faults), IntercomServer(clock, faults)
    for number, name in enumerate(CUSTOMERS):
        braze.users[name] = {}
        key = f"i{number}"
        intercom.contacts[key] = {"id": key, "external_id": name, "custom_attributes": {}}
    return {
        "braze": (BRAZE, braze),
        "klaviyo": (KLAVIYO, KlaviyoServer(clock, faults)),
        "intercom": (INTERCOM, intercom),
    }


def arrived(server):
    """Return the action by customer that the server has."""
    if isinstance(server, BrazeServer):
        return {key: user.get("churnkit_action") for key, user in server.users.items()}
    if isinstance(server, KlaviyoServer):
        return {
            event["profile"]["data"]["attributes"]["external_id"]: event["properties"]["action"]
            for event in server.events.values()
        }
    contacts = server.contacts.values()
    return {c["external_id"]: c["custom_attributes"].get("churnkit_action") for c in contacts}


@pytest.mark.parametrize("name", ["braze", "klaviyo", "intercom"])
@pytest.mark.parametrize("seed", range(RUNS))
def test_each_action_arrives_once_through_faults(journal, clock, name, seed):
    destination, server = pairs(clock, Faults(seed, rate=0.2))[name]
    report = send(journal, name, destination, server, clock)
    assert (report.sent, report.failed, report.repeatable) == (COUNT, 0, True)
    assert arrived(server) == dict.fromkeys(CUSTOMERS, "call")
    requests = len(server.requests)
    assert send(journal, name, destination, server, clock).before == COUNT
    assert len(server.requests) == requests
    if isinstance(server, KlaviyoServer):
        assert set(server.events) == {f"key-{customer}" for customer in CUSTOMERS}


@pytest.mark.parametrize(
    ("name", "reason"),
    [("braze", "invalid_attribute"), ("klaviyo", "invalid_profile"), ("intercom", "not_found")],
)
def test_rejected_customers_have_reasons(journal, clock, name, reason):
    destination, server = pairs(clock)[name]
    if isinstance(server, IntercomServer):
        del server.contacts["i3"]
    else:
        server.refuse_ids = {"c3"}
    report = send(journal, name, destination, server, clock)
    assert (report.sent, report.failed, report.reasons) == (COUNT - 1, 1, {reason: 1})


@pytest.mark.parametrize("name", ["braze", "intercom"])
def test_attributes_are_removed_by_undo(journal, clock, name):
    destination, server = pairs(clock)[name]
    send(journal, name, destination, server, clock)
    report = undo(name, destination, journal, period="2026-11", link=link(server, clock))
    assert report.sent == COUNT
    assert set(arrived(server).values()) == {None}


def test_events_cannot_be_undone(journal, clock):
    destination, server = pairs(clock)["klaviyo"]
    with pytest.raises(ConnectError, match="cannot undo"):
        undo("klaviyo", destination, journal, period="2026-11", link=link(server, clock))


@pytest.mark.parametrize(("create", "users"), [(False, 0), (True, COUNT)])
def test_users_that_braze_does_not_have_are_created_on_request(journal, clock, create, users):
    server = BrazeServer(clock)
    destination = BrazeUsers("https://rest.example.com", KEY, create=create)
    send(journal, "braze", destination, server, clock)
    assert len(server.users) == users
