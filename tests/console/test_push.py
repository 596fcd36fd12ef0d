"""Pushes of approved actions from the console: by whom, which, and each once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

import pytest

from churnkit.connect import Link
from churnkit.connect.delivery.messages import Receipt
from churnkit.console.delivery.push_run import ApprovedPush
from churnkit.errors import ConnectError
from churnkit.journal import Outbox
from churnkit.server.auth.api_keys import add_key
from tests.connect.servers.sample import WallClock

NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)
SCOPES = {
    "viewer": ("recommend",),
    "agent": ("recommend", "outcomes"),
    "manager": ("recommend", "outcomes", "manage"),
    "admin": ("recommend", "outcomes", "manage", "admin"),
}


class Crm:
    """A destination that keeps what it gets, waits at a gate, and may fail or reject."""

    batch, repeatable, undoable = 2, True, False

    def __init__(self):
        self.sent, self.gate, self.error, self.rejected = [], threading.Event(), None, set()
        self.gate.set()

    def open(self, _name, _link):
        return self

    def send(self, messages):
        assert self.gate.wait(60)
        if self.error is not None:
            raise self.error
        accepted = [m for m in messages if m.customer not in self.rejected]
        self.sent += accepted
        return [Receipt(m.decision, None if m in accepted else "DUPLICATE") for m in messages]


@pytest.fixture
def crm(work):
    """A destination, and a function that opens a console with it and returns it with its push."""
    destination, opened = Crm(), []

    def push(customers, approvals):
        link = Link(None, WallClock(), Random(0))  # type: ignore[arg-type]  # noqa: S311
        opened.append(
            ApprovedPush("crm", destination, customers=customers, approvals=approvals, link=link)
        )
        return opened[-1]

    def open_console(**settings):
        browser, journal = work(push=push, **settings)
        return browser, journal, opened[-1]

    yield destination, open_console
    destination.gate.set()
    for one in opened:
        one.wait(60)


def approve(browser, send_form, number):
    page = send_form(
        browser, "/", "/bulk", button="approve", apply_to="first", count=str(number), by="ann", why="ok"
    ).text  # fmt: skip
    assert f"{number} actions approved" in page
    assert 'href="/push"' in page
    return page


def test_approved_actions_are_sent_once_and_no_others(crm, send_form):
    destination, open_console = crm
    browser, journal, push = open_console()
    assert "No action is approved" in browser.get("/push").text
    assert 'action="/push"' not in browser.get("/push").text
    approve(browser, send_form, 5)
    assert "5 approved actions are not sent yet." in browser.get("/push").text
    assert send_form(browser, "/push", "/push").status_code == 200
    push.wait(60)
    page = browser.get("/push").text
    assert "All approved actions are sent." in page
    assert 'action="/push"' not in page
    assert len(destination.sent) == 5
    approved = {m.customer for m in destination.sent}
    assert approved == {row["customer"] for row in journal.decisions().to_pylist() if row["about"]}
    (message, *_others) = destination.sent
    assert message.action == "call"
    assert message.value("cost") == 5.0
    assert "Sent" in browser.get(f"/customers/{message.customer}").text
    assert Outbox(journal).counts("crm") == {"sent": 5}


def test_two_clicks_at_once_send_once(crm, send_form, monkeypatch):
    destination, open_console = crm
    monkeypatch.setattr("churnkit.console.delivery.push_page._WAIT_SECONDS", 0.01)
    browser, journal, push = open_console()
    approve(browser, send_form, 6)
    destination.gate.clear()
    form = browser.get("/push").text
    with ThreadPoolExecutor(4) as pool:
        fields = {
            name: form.split(f'name="{name}" value="')[1].split('"')[0]
            for name in ("token", "form_id")
        }
        clicks = [pool.submit(browser.post, "/push", data=fields) for _ in range(4)]
        assert [click.result().status_code for click in clicks] == [200] * 4
    page = browser.get("/push").text
    assert "Approved actions are being sent." in page
    assert '<a href="/push">Show the progress</a>' in page
    assert 'action="/push"' not in page
    destination.gate.set()
    push.wait(60)
    customers = [message.customer for message in destination.sent]
    assert len(customers) == len(set(customers)) == 6
    assert browser.post("/push", data=fields).status_code == 200
    push.wait(60)
    assert len(destination.sent) == 6
    assert Outbox(journal).counts("crm") == {"sent": 6}


@pytest.mark.parametrize("role", SCOPES)
def test_managers_and_admins_send_and_others_are_refused(crm, send_form, tmp_path, role):
    destination, open_console = crm
    browser, _journal, _push = open_console()
    approve(browser, send_form, 2)
    keys = tmp_path / "keys.json"
    key = add_key(keys, name="Kim", scopes=SCOPES[role])
    visitor, _journal, push = open_console(keys=keys, key=key)
    page = visitor.get("/push").text
    may = role in {"manager", "admin"}
    assert ('action="/push"' in page) == may
    token = visitor.get("/").text.split('name="token" value="')[1].split('"')[0]
    answer = visitor.post("/push", data={"token": token, "form_id": "f"})
    assert answer.status_code == (200 if may else 403)
    push.wait(60)
    assert len(destination.sent) == (2 if may else 0)


def test_a_form_of_another_site_sends_nothing(crm, send_form):
    destination, open_console = crm
    browser, _journal, push = open_console()
    approve(browser, send_form, 2)
    assert browser.post("/push", data={"token": "x", "form_id": "f"}).status_code == 403
    push.wait(60)
    assert destination.sent == []


def test_an_interrupted_push_says_why_and_the_next_click_sends_the_rest(crm, send_form):
    destination, open_console = crm
    browser, _journal, push = open_console()
    approve(browser, send_form, 3)
    destination.error = ConnectError("crm cannot be reached <b>")
    send_form(browser, "/push", "/push")
    push.wait(60)
    page = browser.get("/push").text
    assert "The last run stopped: crm cannot be reached &lt;b&gt;" in page
    destination.error = ValueError("name of a person")
    send_form(browser, "/push", "/push")
    push.wait(60)
    page = browser.get("/push").text
    assert "ValueError" in page
    assert "name of a person" not in page
    assert "Perhaps sent by an interrupted run" in page
    destination.error = None
    send_form(browser, "/push", "/push")
    push.wait(60)
    assert len(destination.sent) == 3


def test_rejected_actions_are_shown_and_can_be_sent_again(crm, send_form):
    destination, open_console = crm
    browser, journal, push = open_console()
    approve(browser, send_form, 3)
    destination.rejected = {row["customer"] for row in journal.decisions().to_pylist()}
    send_form(browser, "/push", "/push")
    push.wait(60)
    page = browser.get("/push").text
    assert "Rejected by the destination" in page
    assert "Send 3 approved actions" in page
    destination.rejected = set()
    send_form(browser, "/push", "/push")
    push.wait(60)
    assert len(destination.sent) == 3


def test_an_approval_that_was_withdrawn_is_not_sent(crm, send_form):
    destination, open_console = crm
    moments = (NOW + timedelta(seconds=second) for second in count())
    browser, journal, push = open_console(clock=lambda: next(moments))
    approve(browser, send_form, 2)
    customer = next(row["customer"] for row in journal.decisions().to_pylist() if row["about"])
    send_form(browser, f"/customers/{customer}", "/verdicts", by="ann", why="no", verdict="reject")
    send_form(browser, "/push", "/push")
    push.wait(60)
    assert [message.customer for message in destination.sent] != [customer]
    assert len(destination.sent) == 1


def test_without_a_destination_there_is_no_page_and_no_link(work):
    browser, _journal = work()
    assert browser.get("/push").status_code == 404
    assert 'href="/push"' not in browser.get("/").text
