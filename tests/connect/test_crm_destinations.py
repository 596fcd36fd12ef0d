"""Pushes to HubSpot's lists and tasks, and to Salesforce's tasks and campaign members."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from churnkit.connect import (
    Env,
    HubSpotLists,
    HubSpotRecords,
    HubSpotTasks,
    Link,
    SalesforceCampaignMembers,
    SalesforceTasks,
    push,
    select_messages,
    undo,
)
from churnkit.errors import ConnectError
from churnkit.journal import DecisionRecord, Journal, Outbox
from tests.connect.servers.asgi import AsgiTransport
from tests.connect.servers.faults import START, Faults, Refused
from tests.connect.servers.hubspot import HubSpotServer
from tests.connect.servers.salesforce import SalesforceServer

RUNS = int(os.environ.get("CHURNKIT_CONNECT_RUNS", "3"))
CUSTOMERS = [f"c{i}" for i in range(40)]
ACTIONS = ["call", "email"] * 20
OWNERS = ["7", None] * 20
KEY = Env("PROVIDER_KEY")
ORG: dict[str, Any] = {
    "base_url": "https://acme.my.salesforce.com",
    "client_id": KEY,
    "client_secret": KEY,
}
WRITTEN: Any = "text"
LISTS = HubSpotLists(key=KEY, lists={"call": "11", "email": "12"}, batch=15)
TASKS = HubSpotTasks(key=KEY, subject="{action} {customer}", owner="owner", kind="CALL")
VISITS = SalesforceTasks(**ORG, subject="{action} {customer}", owner="owner", days=2, batch=15)
CAMPAIGNS = SalesforceCampaignMembers(**ORG, campaigns={"email": "701A"}, batch=15)


@pytest.fixture
def journal(tmp_path):
    records = [
        DecisionRecord(
            f"key-{name}", name, START, START, "shop", period="2026-11", action=action, propensity=1.0
        )
        for name, action in zip(CUSTOMERS, ACTIONS, strict=True)
    ]  # fmt: skip
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as opened:
        opened.record(records)
        yield opened


def link(server, clock):
    return Link(AsgiTransport(server, clock), clock, Random(0))  # noqa: S311


def send(journal, destination, server, clock, **options):
    plan = {"customer_id": CUSTOMERS, "action": ACTIONS, "owner": OWNERS}
    chosen = select_messages(pa.table(plan), journal)
    return push(chosen, "crm", destination, journal, link=link(server, clock), **options)


def hubspot(clock, faults=None):
    server = HubSpotServer(clock, faults)
    for number, name in enumerate(CUSTOMERS):
        server.put("contacts", str(number + 1), customer_id=name)
    server.members = {"11": ["99"], "12": []}
    return server


def salesforce(clock, faults=None):
    server = SalesforceServer(clock, faults)
    for number, name in enumerate(CUSTOMERS):
        server.put("Account", f"001{number}", Churnkit_Id__c=name)
        server.put("Contact", f"003{number}", Churnkit_Id__c=name)
    return server


@pytest.mark.parametrize("seed", range(RUNS))
def test_customers_are_members_of_the_list_of_their_action_once(journal, clock, seed):
    server = hubspot(clock, Faults(seed, rate=0.2))
    report = send(journal, LISTS, server, clock)
    assert (report.sent, report.failed, report.repeatable) == (40, 0, True)
    calls = {str(number + 1) for number, action in enumerate(ACTIONS) if action == "call"}
    assert Counter(server.members["11"]) == Counter({"99", *calls})
    assert len(server.members["12"]) == 20
    assert undo("crm", LISTS, journal, period="2026-11", link=link(server, clock)).sent == 40
    assert server.members == {"11": ["99"], "12": []}


def test_members_without_a_record_or_a_list_are_rejected_with_reasons(journal, clock):
    server = hubspot(clock)
    del server.objects["contacts"]["1"]
    report = send(journal, HubSpotLists(key=KEY, lists={"call": "11"}), server, clock)
    assert report.reasons == {"OBJECT_NOT_FOUND": 1, "NO_LIST_OF_ACTION": 20}
    assert report.sent == 19


def test_tasks_are_due_belong_to_the_contact_and_have_an_owner(journal, clock):
    server = hubspot(clock)
    del server.objects["contacts"]["2"]
    report = send(journal, TASKS, server, clock)
    assert (report.sent, report.reasons, report.repeatable) == (39, {"OBJECT_NOT_FOUND": 1}, False)
    first = server.tasks[0]
    assert first["to"] == "1"
    assert first["hs_task_subject"] == "call c0"
    assert first["hs_timestamp"].startswith("2026-11-03")
    assert first["hubspot_owner_id"] == "7"
    assert "hubspot_owner_id" not in server.tasks[2]
    with pytest.raises(ConnectError, match="cannot undo"):
        undo("crm", TASKS, journal, period="2026-11", link=link(server, clock))


@pytest.mark.parametrize("seed", range(4))
def test_interrupted_tasks_are_told_and_never_sent_again_unasked(journal, clock, seed):
    server = hubspot(clock, Faults(seed, rate=0.3))
    for _ in range(60):
        try:
            report = send(journal, TASKS, server, clock)
        except ConnectError:
            continue
        if not report.waiting:
            break
    states = Outbox(journal).counts("crm")
    created = Counter(task["to"] for task in server.tasks)
    assert set(created.values()) == {1}
    assert states.get("sent", 0) <= len(created) <= states.get("sent", 0) + states.get("sending", 0)


@pytest.mark.parametrize("seed", range(RUNS))
def test_salesforce_has_one_task_per_decision(journal, clock, seed):
    server = salesforce(clock, Faults(seed, rate=0.2))
    server.locked = {"key-c5": 2}
    report = send(journal, VISITS, server, clock)
    assert (report.sent, report.failed, report.repeatable) == (40, 0, True)
    tasks = list(server.records["Task"].values())
    assert {task["Churnkit_Decision__c"] for task in tasks} == {f"key-{c}" for c in CUSTOMERS}
    assert len(tasks) == 40
    (first,) = (task for task in tasks if task["Subject"] == "call c0")
    assert first["What"] == {"attributes": {"type": "Account"}, "Churnkit_Id__c": "c0"}
    assert (first["ActivityDate"], first["OwnerId"]) == ("2026-11-04", "7")


def test_campaigns_get_the_customers_of_their_action(journal, clock):
    server = salesforce(clock)
    server.duplicates = {"key-c1"}
    server.delete("Contact", "0033")
    del server.records["Contact"]["0033"]
    report = send(journal, CAMPAIGNS, server, clock)
    assert report.reasons == {"NO_CAMPAIGN_OF_ACTION": 20, "INVALID_FIELD": 1}
    assert report.sent == 19
    members = list(server.records["CampaignMember"].values())
    assert len(members) == 18
    assert {member["CampaignId"] for member in members} == {"701A"}


@pytest.mark.parametrize(("create", "records", "failed"), [(True, 40, 0), (False, 39, 1)])
def test_hubspot_creates_missing_records_unless_asked_not_to(
    journal, clock, create, records, failed
):
    server = hubspot(clock)
    del server.objects["contacts"]["2"]
    report = send(journal, HubSpotRecords(key=KEY, create=create), server, clock)
    assert (len(server.objects["contacts"]), report.failed) == (records, failed)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: HubSpotLists(key=KEY, lists={}), "lists="),
        (lambda: HubSpotTasks(key=WRITTEN), "secret"),
        (lambda: HubSpotTasks(key=KEY, object="tickets"), "object"),
        (lambda: HubSpotTasks(key=KEY, kind="VISIT"), "kind"),
        (lambda: SalesforceCampaignMembers(**ORG), "campaigns="),
        (lambda: SalesforceTasks(**{**ORG, "client_secret": WRITTEN}), "secret"),
    ],
)
def test_incomplete_declarations_are_refused(declare, message):
    with pytest.raises(ConnectError, match=message):
        declare()


@pytest.mark.parametrize("destination", [TASKS, replace(TASKS, batch=3)])
@pytest.mark.parametrize("status", [504, 403])
def test_a_task_that_may_exist_is_not_created_again_unasked(journal, clock, destination, status):
    server = hubspot(clock)
    create = server.create_task

    def fails_at_the_second(body):
        answer = create(body)
        if len(server.tasks) == 2:
            if status == 403:
                server.tasks.pop()
            server.create_task = create
            raise Refused(status, {"category": "FAILED"})
        return answer

    server.create_task = fails_at_the_second
    with pytest.raises(ConnectError):
        send(journal, destination, server, clock)
    report = send(journal, destination, server, clock)
    assert set(Counter(task["to"] for task in server.tasks).values()) == {1}
    assert report.sent + report.uncertain >= 38
