"""The console by keyboard alone, beyond the ten tasks: Tab, letters, Space and Enter."""

from __future__ import annotations

import pytest

from tests.console.drivers import Keyboard

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'console' is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.server]


@pytest.fixture
def keyboard(visit):
    return lambda path="": Keyboard(visit(path))


def customer_of(console, query):
    import csv
    import io

    import httpx

    text = httpx.get(f"{console[0]}customers.csv?{query}", timeout=60).text
    return next(csv.DictReader(io.StringIO(text)))["customer"]


def test_a_customer_is_snoozed_and_reopened(keyboard, console):
    name = customer_of(console, "status=open&sort=customer&order=desc")
    work = keyboard(f"customers/{name}")
    work.fill("Your name", "ann", "Snooze")
    work.press("button", "Snooze", "Snooze")
    work.expect("Snoozed until", "header")
    # The name that was entered is remembered.
    work.press("button", "Reopen", "Snooze")
    work.expect("Open", "header")


def test_an_action_is_approved_and_its_playbook_answered(keyboard, console):
    work = keyboard(f"customers/{customer_of(console, 'action=call&status=open&sort=cost')}")
    work.fill("Your name", "ann")
    work.fill("Reason", "agreed")
    work.press("button", "Approve")
    work.expect("Write an e-mail")
    work.press("button", "Customer answered")
    work.expect("skipped")


def test_selected_customers_are_ticked(keyboard):
    work = keyboard("?sort=customer").reach("INPUT", "Select")
    work.page.keyboard.press("Space")
    work.fill("Your name", "ann")
    work.fill("New owner", "lou")
    work.press("button", "Assign")
    work.expect("1 customer assigned to lou")


@pytest.mark.slow
def test_accounts_teams_tasks_and_views_are_reached(keyboard):
    accounts = keyboard("accounts")
    accounts.press("link", "Company")
    accounts.expect("Health score")
    team = keyboard("teams")
    team.fill("Your name", "ann", "Add a person")
    team.fill("Person", "kay")
    team.fill("Team", "North")
    team.press("button", "Add to team")
    team.expect("North")
    view = keyboard("?sort=risk")
    view.fill("Name of this view", "By risk")
    view.press("button", "Save view")
    view.expect("By risk")


def test_a_section_of_the_report_and_its_numbers_are_opened(keyboard):
    work = keyboard("report").reach("SUMMARY", "Show data")
    work.page.keyboard.press("Enter")
    assert work.page.evaluate("document.querySelector('details[open]') !== null")
