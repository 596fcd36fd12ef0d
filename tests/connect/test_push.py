"""Pushes of plans through the outbox to servers with faults."""

from __future__ import annotations

import base64
import os
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.connect import (
    DatabaseTable,
    Email,
    Env,
    HubSpotRecords,
    Link,
    SalesforceRecords,
    SlackMessages,
    StoreFiles,
    Webhook,
    ZendeskTickets,
    push,
    select_messages,
    undo,
)
from churnkit.errors import ConnectError, JournalError
from churnkit.journal import DecisionRecord, Journal, Outbox
from tests.connect.servers.asgi import AsgiTransport
from tests.connect.servers.faults import START, Faults
from tests.connect.servers.hubspot import HubSpotServer
from tests.connect.servers.receivers import SlackServer, WebhookServer, smtp_server
from tests.connect.servers.salesforce import SalesforceServer
from tests.connect.servers.zendesk import ZendeskServer

if TYPE_CHECKING:
    from churnkit.journal.records import Verdict

RUNS = int(os.environ.get("CHURNKIT_CONNECT_RUNS", "6"))
HOOK_SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
CRM = HubSpotRecords(key=Env("PROVIDER_KEY"), batch=10)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def journal(tmp_path):
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as opened:
        yield opened


def decide(journal, count=60, action="call"):
    """Record decisions for customers c0 to c(count - 1) and return their plan."""
    records = [
        DecisionRecord(
            f"k{i}", f"c{i}", START, START, "shop", period="2026-11", action=action, propensity=0.9
        )
        for i in range(count)
    ]
    journal.record(records)
    customers = [f"c{i}" for i in range(count)]
    return pa.table({"customer_id": customers, "action": [action] * count, "gain": [2.5] * count})


def hubspot(clock, count=60, faults=None):
    server = HubSpotServer(clock, faults)
    for i in range(count):
        server.put("contacts", str(i + 1), customer_id=f"c{i}")
    return server


def link(server, clock):
    return Link(AsgiTransport(server, clock), clock, Random(0))  # noqa: S311


def actions(server):
    records = server.objects["contacts"].values()
    return {r["properties"]["customer_id"]: r["properties"].get("churnkit_action") for r in records}


def test_each_action_arrives_once_and_is_written_back(journal, clock):
    plan, server = decide(journal), hubspot(clock)
    chosen = select_messages(plan, journal)
    report = push(chosen, "crm", CRM, journal, link=link(server, clock))
    assert (report.sent, report.failed, server.upserts) == (60, 0, 6)
    assert set(actions(server).values()) == {"call"}
    assert len(journal.outcomes(kind="sent")) == 60
    again = push(chosen, "crm", CRM, journal, link=link(server, clock))
    assert (again.sent, again.before, server.upserts) == (0, 60, 6)


def test_only_what_the_journal_lets_out_is_sent(journal, clock):
    from churnkit.decisions import ContactLimit

    plan = decide(journal, 6)
    verdicts: tuple[Verdict, ...] = ("reject", "snooze", "approve")
    for number, verdict in enumerate(verdicts):
        verdict_of = DecisionRecord(
            f"v{number}", f"c{number}", START, START, "shop", verdict=verdict, about=f"k{number}", by="ann"
        )  # fmt: skip
        journal.record([verdict_of])
    journal.erase("c3", at=START)
    later = START + timedelta(days=1)
    capped = DecisionRecord("k9", "c4", later, later, "shop", action="call", propensity=0.9)
    held = DecisionRecord("k10", "c5", later, later, "shop", holdout="global")
    journal.record([capped, held], limits=[ContactLimit(1, days=30)])
    extra = pa.table({"customer_id": ["c8"], "action": ["call"], "gain": [1.0]})
    chosen = select_messages(pa.concat_tables([plan, extra]), journal)
    assert [message.decision for message in chosen.messages] == ["k2"]
    assert chosen.skipped == {
        "rejected": 1,
        "snoozed": 1,
        "erased": 1,
        "contact limit reached": 1,
        "held out": 1,
        "no decision in the journal": 1,
    }
    assert len(select_messages(plan, journal, approved=True).messages) == 1


def test_rows_that_the_destination_rejects_have_reasons_and_are_sent_again(journal, clock):
    plan, server = decide(journal), hubspot(clock)
    server.refuse_ids = {"c3", "c33"}
    chosen = select_messages(plan, journal)
    report = push(chosen, "crm", CRM, journal, link=link(server, clock))
    assert (report.sent, report.failed) == (58, 2)
    assert report.reasons == {"OBJECT_NOT_FOUND": 2}
    server.refuse_ids = set()
    report = push(chosen, "crm", CRM, journal, link=link(server, clock))
    assert (report.sent, report.failed, report.before) == (2, 0, 58)
    assert Outbox(journal).counts("crm") == {"sent": 60}


@pytest.mark.parametrize("seed", range(RUNS))
def test_faults_and_kills_leave_each_action_sent_once(journal, clock, seed, monkeypatch):
    plan = decide(journal)
    server = hubspot(clock, faults=Faults(seed, rate=0.3))
    chosen = select_messages(plan, journal)
    random = Random(seed)  # noqa: S311
    original = Outbox.mark

    def mark(self, *arguments, **options):
        if random.random() < 0.3:
            if random.random() < 0.5:
                original(self, *arguments, **options)
            raise Killed
        original(self, *arguments, **options)

    monkeypatch.setattr(Outbox, "mark", mark)
    for _ in range(200):
        try:
            push(chosen, "crm", CRM, journal, link=link(server, clock))
        except (Killed, ConnectError):
            continue
        if Outbox(journal).counts("crm") == {"sent": 60}:
            break
    assert set(actions(server).values()) == {"call"}
    sent = journal.outcomes(kind="sent")
    assert sorted(sent["decision"].to_pylist()) == sorted(f"k{i}" for i in range(60))


def test_a_dry_run_sends_nothing_and_a_limit_leaves_the_rest(journal, clock):
    plan, server = decide(journal), hubspot(clock)
    chosen = select_messages(plan, journal)
    dry = push(chosen, "crm", CRM, journal, link=link(server, clock), dry_run=True)
    assert (dry.waiting, len(server.requests)) == (60, 0)
    some = push(chosen, "crm", CRM, journal, link=link(server, clock), limit=15)
    assert (some.sent, some.waiting) == (15, 45)


def test_an_undone_period_clears_the_properties_and_can_be_sent_again(journal, clock):
    plan, server = decide(journal), hubspot(clock)
    chosen = select_messages(plan, journal)
    push(chosen, "crm", CRM, journal, link=link(server, clock))
    undone = undo("crm", CRM, journal, period="2026-11", link=link(server, clock))
    assert undone.sent == 60
    assert set(actions(server).values()) == {""}
    assert undo("crm", CRM, journal, period="2026-11", link=link(server, clock)).sent == 0
    clock.at += timedelta(hours=1)
    assert push(chosen, "crm", CRM, journal, link=link(server, clock)).sent == 60
    assert len(journal.outcomes(kind="sent")) == 120
    with pytest.raises(ConnectError, match="cannot undo"):
        undo("s", SlackMessages(Env("X")), journal, period="2026-11", link=link(server, clock))


def test_locked_rows_and_expired_tokens_of_salesforce_are_repeated(journal, clock):
    plan, server = decide(journal, 30), SalesforceServer(clock)
    server.token_uses = 2
    for i in range(30):
        server.put("Account", f"001{i}", Churnkit_Id__c=f"c{i}" if i else "other")
    server.locked = {"c5": 2, "c6": 99}
    destination = SalesforceRecords(
        "https://acme.my.salesforce.com",
        client_id=Env("PROVIDER_KEY"),
        client_secret=Env("PROVIDER_KEY"),
        batch=10,
    )
    chosen = select_messages(plan, journal)
    report = push(chosen, "crm", destination, journal, link=link(server, clock))
    assert report.reasons == {"NOT_FOUND": 1, "UNABLE_TO_LOCK_ROW": 1}
    assert report.sent == 28
    assert server.tokens > 2


def test_webhooks_are_signed_and_a_repeated_one_has_the_same_id(journal, clock, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", HOOK_SECRET)
    plan = decide(journal, 30)
    server = WebhookServer(clock, HOOK_SECRET, Faults(1, rate=0.3, kinds=("dropped", "500")))
    destination = Webhook("https://hooks.example.com/in", secret=Env("HOOK_SECRET"))
    chosen = select_messages(plan, journal)
    assert push(chosen, "hook", destination, journal, link=link(server, clock)).sent == 30
    assert sorted(server.events) == sorted(f"k{i}" for i in range(30))
    assert server.arrivals > 30
    event = server.events["k3"]
    assert (event["specversion"], event["type"]) == ("1.0", "churnkit.action.decided")
    assert event["data"]["customer"] == "c3"


def test_an_interrupted_message_to_slack_waits_for_resume(journal, clock, monkeypatch):
    monkeypatch.setenv("SLACK_URL", "https://hooks.slack.com/services/secret-canary")
    plan, server = decide(journal, 3), SlackServer(clock)
    destination = SlackMessages(Env("SLACK_URL"), text="<{customer}> & {action}")
    chosen = select_messages(plan, journal)
    server.faults = Faults(1, rate=1.0, kinds=("dropped",))
    with pytest.raises(ConnectError, match="cannot be sent twice") as refusal:
        push(chosen, "chat", destination, journal, link=link(server, clock))
    assert "canary" not in str(refusal.value)
    server.faults = Faults()
    report = push(chosen, "chat", destination, journal, link=link(server, clock))
    assert (report.sent, report.uncertain) == (2, 1)
    report = push(chosen, "chat", destination, journal, link=link(server, clock), resume=True)
    assert (report.sent, report.uncertain) == (1, 0)
    assert server.texts.count("&lt;c0&gt; &amp; call") == 2
    server.token = "changed"  # noqa: S105
    decide(journal, 4)
    more = select_messages(pa.table({"customer_id": ["c3"], "action": ["call"]}), journal)
    with pytest.raises(ConnectError, match="404"):
        push(more, "chat", destination, journal, link=link(server, clock))
    assert Outbox(journal).counts("chat") == {"pending": 1, "sent": 3}


def test_emails_tickets_rows_and_files_arrive(journal, clock, monkeypatch, tmp_path):
    url = f"sqlite:///{tmp_path / 'warehouse.db'}"
    monkeypatch.setenv("WAREHOUSE", url)
    plan = decide(journal, 3)
    chosen = select_messages(plan, journal)
    with smtp_server() as (port, mails):
        mail = Email("127.0.0.1", port, sender="a@example.com", recipients=("b@example.com",))
        sent = push(chosen, "mail", mail, journal, link=link(None, clock))
    assert (sent.sent, sent.repeatable, len(mails)) == (3, False, 3)
    assert "Subject: call for customer c0" in mails[0]
    desk = ZendeskServer(clock)
    tickets = ZendeskTickets("acme", "ann@example.com", Env("PROVIDER_KEY"))
    assert push(chosen, "desk", tickets, journal, link=link(desk, clock)).sent == 3
    assert sorted(desk.created) == ["k0", "k1", "k2"]
    table = DatabaseTable(Env("WAREHOUSE"))
    assert push(chosen, "rows", table, journal, link=link(None, clock)).sent == 3
    files = StoreFiles(str(tmp_path / "actions"))
    assert push(chosen, "files", files, journal, link=link(None, clock)).sent == 3
    (file,) = (tmp_path / "actions").glob("*.parquet")
    assert pq.read_table(file)["customer"].to_pylist() == ["c0", "c1", "c2"]
    assert undo("rows", table, journal, period="2026-11", link=link(None, clock)).sent == 3


def test_erasing_a_customer_reaches_the_outbox(journal, clock):
    plan, server = decide(journal, 3), hubspot(clock)
    push(select_messages(plan, journal), "crm", CRM, journal, link=link(server, clock))
    journal.erase("c1", at=START)
    assert sorted(Outbox(journal).in_state("crm", "sent").values()) == ["c0", "c2"]
    with pytest.raises(JournalError):
        decide(journal, 3)


def test_a_missing_column_or_secret_leaves_the_outbox_as_it_is(journal, clock):
    plan, server = decide(journal, 3), hubspot(clock)
    chosen = select_messages(plan, journal)
    missing = HubSpotRecords(key=Env("PROVIDER_KEY"), properties={"churnkit_risk": "risk"})
    with pytest.raises(ConnectError, match="no column 'risk'"):
        push(chosen, "crm", missing, journal, link=link(server, clock))
    with pytest.raises(ConnectError, match="is a secret"):
        HubSpotRecords(key="text")  # type: ignore[arg-type]
    assert push(chosen, "crm", CRM, journal, link=link(server, clock)).sent == 3
