"""Playbooks in the console: tasks on approval, answers, dismissals, and two people at once."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest

from churnkit.console.pages.context import customer_link
from churnkit.journal.worklist.tasks import Tasks
from churnkit.journal.worklist.worklist import Worklist

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")


def with_action(customers):
    return [
        customers.customers[row]
        for row in customers.order.tolist()
        if customers.decisions.action[row] >= 0
    ]


@pytest.fixture
def approved(work, work_list, send_form):
    """A browser, the worklist, and a customer whose action ann has approved."""
    browser, journal = work()
    customer = with_action(work_list)[0]
    path = customer_link(customer)
    assert "Day 5: Call (if the customer has not answered)" in browser.get(path).text
    send_form(browser, path, "/owner", by="ann", owner="bo")
    send_form(browser, path, "/verdicts", by="ann", why="agreed", verdict="approve")
    return browser, Worklist(journal), customer


def tasks_of(worklist, customer):
    return [(t.title, t.owner, t.due, t.status) for t in Tasks(worklist).list(customer=customer)]


def form_of(page, title):
    """Return the hidden fields of the form that changes a task."""
    forms = re.findall(r'<form class="inline".*?</form>', page, re.DOTALL)
    (form,) = [form for form in forms if f"</span> {title}" in form or f"> {title}</span>" in form]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def test_an_approval_adds_the_steps_as_tasks_of_the_owner_with_due_dates(approved):
    browser, worklist, customer = approved
    assert tasks_of(worklist, customer) == [
        ("Write an e-mail", "bo", date(2026, 11, 5), "open"),
        ("Call", "bo", date(2026, 11, 10), "open"),
    ]
    assert "A call: step 2 of 2, if the customer has not answered" in browser.get("/tasks").text
    page = browser.get("/tasks?owner=bo&due=today").text
    assert "Write an e-mail" in page
    assert "Playbooks" in page


def test_an_answer_skips_the_call_for_everyone(approved, work):
    browser, worklist, customer = approved
    page = browser.get(customer_link(customer)).text
    assert page.count("Customer answered") == 1
    fields = form_of(page, "Write an e-mail") | {"by": "ann", "status": "answered"}
    assert browser.post("/tasks/change", data=fields).status_code == 200
    assert [part[3] for part in tasks_of(worklist, customer)] == ["done", "skipped"]
    late, _ = work()
    late.get("/")
    stale = form_of(page, "Call") | {"by": "bo", "status": "done"}
    stale["token"] = late.cookies.get("churnkit_form")
    answer = late.post("/tasks/change", data=stale)
    assert answer.status_code == 409
    assert "ann has changed this task" in answer.text.lower()
    assert "Call" in browser.get("/tasks?status=skipped").text


def test_a_dismissal_skips_the_open_steps(approved, work, send_form):
    _, worklist, customer = approved
    browser, _ = work(clock=lambda: datetime(2026, 11, 5, 10, tzinfo=UTC))
    send_form(
        browser, customer_link(customer), "/verdicts", by="bo", why="has left", verdict="reject"
    )
    assert [part[3] for part in tasks_of(worklist, customer)] == ["skipped", "skipped"]


def test_a_bulk_approval_starts_each_playbook_once(work, work_list, send_form):
    browser, journal = work()
    chosen = with_action(work_list)[:3]
    fields = {"customer": chosen, "by": "ann", "why": "agreed", "button": "approve"}
    assert "3 playbooks started" in send_form(browser, "/", "/bulk", **fields).text
    assert "playbook" not in send_form(browser, "/", "/bulk", **fields).text
    assert len(Tasks(Worklist(journal)).list()) == 6
