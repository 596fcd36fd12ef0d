"""The daily tasks in the console by keyboard alone: Tab, letters, Space and Enter."""

from __future__ import annotations

import pytest

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (extra 'test')"
)
pytest.importorskip("jinja2", reason="the extra 'console' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'console' is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.server]

MOST_TABS = 250
# Text, label and value of the focused element, as a reader of the page would name it.
FOCUSED = """() => {
  const one = document.activeElement;
  const label = one.labels && one.labels.length ? one.labels[0].innerText : '';
  const form = one.form ? (one.form.getAttribute('aria-label') || '') : '';
  const name = one.getAttribute('aria-label') || label || one.innerText || one.value || '';
  return [one.tagName, name.split('\\n')[0].trim(), form, getComputedStyle(one).outlineStyle];
}"""


class Keyboard:
    """A page that is used without a mouse."""

    def __init__(self, page):
        self.page = page
        # Work begins at the content, as after the link "Skip to content".
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

    def reach(self, tag, name, form=""):
        """Press Tab until an element has the focus, which must be visible."""
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            found, label, owner, outline = self.page.evaluate(FOCUSED)
            if found == tag and label.startswith(name) and owner.startswith(form):
                assert outline != "none", f"the focus on {name} cannot be seen"
                return self
        pytest.fail(f"{tag} {name} cannot be reached by Tab")

    def type(self, tag, name, text, form=""):
        self.reach(tag, name, form)
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.type(text)
        return self

    def press(self, tag, name, form="", key="Enter"):
        self.reach(tag, name, form)
        with self.page.expect_navigation():
            self.page.keyboard.press(key)
        return Keyboard(self.page)

    def expect(self, text, within="main"):
        playwright.expect(self.page.locator(within)).to_contain_text(text, timeout=30_000)
        return self


@pytest.fixture
def keyboard(visit):
    return lambda path="": Keyboard(visit(path))


def customer_of(console, query):
    import csv
    import io

    import httpx

    text = httpx.get(f"{console[0]}customers.csv?{query}", timeout=60).text
    return next(csv.DictReader(io.StringIO(text)))["customer"]


def test_a_customer_is_found_and_opened(keyboard):
    work = keyboard().type("INPUT", "Search by id", "mailcanary42@")
    with work.page.expect_navigation():
        work.page.keyboard.press("Enter")
    Keyboard(work.page).press("A", "idcanary7x00042").expect("Raises the risk")


def test_calls_are_filtered_assigned_and_listed_by_owner(keyboard):
    work = keyboard("?action=call&status=open").reach("SELECT", "Apply to")
    work.page.keyboard.type("First")
    work.type("INPUT", "Number, if first", "10").type("INPUT", "Your name", "ann")
    work.type("INPUT", "New owner", "kay").press("BUTTON", "Assign").expect("assigned to kay")
    listed = keyboard().reach("SELECT", "Owner")
    listed.page.keyboard.type("kay")
    listed.press("BUTTON", "Apply filters").expect("customers by")


def test_a_customer_is_snoozed_and_reopened(keyboard, console):
    name = customer_of(console, "status=open&sort=customer&order=desc")
    work = keyboard(f"customers/{name}").type("INPUT", "By", "ann", "Snooze")
    work = work.press("BUTTON", "Snooze", "Snooze").expect("Snoozed until", "header")
    # The name that was entered is remembered.
    work.press("BUTTON", "Reopen", "Snooze").expect("Open", "header")


def test_an_action_is_approved_and_its_playbook_answered(keyboard, console):
    name = customer_of(console, "action=call&status=open&sort=cost")
    work = keyboard(f"customers/{name}").type("INPUT", "Your name", "ann")
    work.type("INPUT", "Reason", "agreed")
    work = work.press("BUTTON", "Approve").expect("Write an e-mail")
    work.press("BUTTON", "Customer answered").expect("skipped")


def test_selected_customers_are_ticked(keyboard):
    work = keyboard("?sort=customer").reach("INPUT", "Select")
    work.page.keyboard.press("Space")
    work.type("INPUT", "Your name", "ann").type("INPUT", "New owner", "lou")
    work.press("BUTTON", "Assign").expect("1 customer assigned to lou")


def test_a_plan_is_compared_with_today(keyboard):
    work = keyboard("what-if").type("INPUT", "Budget", "50")
    work.press("BUTTON", "Compare").expect("against today's plan")


def test_accounts_teams_tasks_and_views_are_reached(keyboard):
    keyboard("accounts").press("A", "Company").expect("Health score")
    team = keyboard("teams").type("INPUT", "By", "ann", "Add a person")
    team.type("INPUT", "Person", "kay").type("INPUT", "Team", "North")
    team.press("BUTTON", "Add to team").expect("North")
    view = keyboard("?sort=risk").type("INPUT", "Name of this view", "By risk")
    view.press("BUTTON", "Save view").expect("By risk")


def test_a_section_of_the_report_and_its_numbers_are_opened(keyboard):
    work = keyboard("report").reach("SUMMARY", "Show data")
    work.page.keyboard.press("Enter")
    assert work.page.evaluate("document.querySelector('details[open]') !== null")
