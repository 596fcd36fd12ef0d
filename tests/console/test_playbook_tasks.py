"""Playbooks in the console: tasks on approval, answers, dismissals, and two people at once."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from churnkit.console.approvals import Approvals
from churnkit.console.pages.context import customer_link
from churnkit.decisions import ContactLimit, ContactPolicy
from churnkit.journal import DecisionRecord
from churnkit.journal.worklist.tasks import Tasks
from churnkit.journal.worklist.worklist import Worklist

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")


NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)


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


def approve(browser, send_form, customers, *, in_bulk):
    if in_bulk:
        fields = {"customer": customers, "button": "approve"}
        return send_form(browser, "/", "/bulk", by="ann", why="agreed", **fields)
    (customer,) = customers
    path = customer_link(customer)
    return send_form(browser, path, "/verdicts", by="ann", why="agreed", verdict="approve")


@pytest.mark.parametrize("in_bulk", [False, True])
def test_a_customer_held_out_by_a_plan_since_the_start_is_not_approved(
    work, work_list, send_form, in_bulk
):
    browser, journal = work()
    customer, name = with_action(work_list)[0], work_list.model.name
    key = Approvals(journal, work_list).key(customer)
    held = DecisionRecord(
        key, customer, NOW, NOW, name, model=name, period="2026-11", holdout="global"
    )
    journal.record([held])
    answer = approve(browser, send_form, [customer], in_bulk=in_bulk)
    assert "the journal has another decision: restart the console" in answer.text
    assert answer.status_code == (200 if in_bulk else 400)
    assert len(journal.decisions()) == 1
    assert Tasks(Worklist(journal)).list() == []


@pytest.mark.parametrize("in_bulk", [False, True])
def test_a_customer_over_the_contact_limit_is_not_approved(
    work, work_list, send_form, monkeypatch, in_bulk
):
    limited = replace(
        work_list.model.catalogue, contact=ContactPolicy(limits=(ContactLimit(1, days=30),))
    )
    monkeypatch.setattr(type(work_list.model), "catalogue", limited)
    browser, journal = work()
    customer = with_action(work_list)[0]
    journal.record([DecisionRecord("k1", customer, NOW, NOW, "other", action="mail")])
    for _ in range(2):  # the second time, the journal has the decision without its action
        answer = approve(browser, send_form, [customer], in_bulk=in_bulk)
        assert "a contact limit is reached" in answer.text
        assert answer.status_code == (200 if in_bulk else 400)
    assert {row["verdict"] for row in journal.decisions().to_pylist()} == {"decide"}
    assert Tasks(Worklist(journal)).list() == []


def test_a_playbook_starts_only_for_the_action_in_the_journal(work, work_list, send_form):
    browser, journal = work()
    customer, name = with_action(work_list)[0], work_list.model.name
    key = Approvals(journal, work_list).key(customer)
    shared = {"customer": customer, "as_of": NOW, "decided_at": NOW, "policy": name}
    shared |= {"model": name, "period": "2026-11"}
    journal.record([DecisionRecord(key, holdout="global", **shared)])
    journal.record([DecisionRecord("v1", verdict="approve", about=key, by="bo", **shared)])
    assert "playbook" not in approve(browser, send_form, [customer], in_bulk=True).text
    assert Tasks(Worklist(journal)).list() == []
