"""Ten tasks of a customer success team in the console, with at most three clicks each."""

from __future__ import annotations

import csv

import pytest

from churnkit.journal import Journal

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (extra 'test')"
)
pytest.importorskip("jinja2", reason="the extra 'console' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'console' is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.server]

MOST_CLICKS = 3


class Clicks:
    """A page that counts clicks; filling in a field is one, a key is none."""

    def __init__(self, page):
        self.page, self.count = page, 0

    def click(self, role, name, **settings):
        self.count += 1
        self.page.get_by_role(role, name=name, **settings).first.click()

    def choose(self, label, value):
        self.count += 1
        self.page.get_by_role("combobox", name=label, exact=True).select_option(value)

    def fill(self, label, text):
        self.page.get_by_label(label, exact=True).fill(text)

    def expect(self, text, *, within="main"):
        """Wait until a part of the page contains a text."""
        playwright.expect(self.page.locator(within)).to_contain_text(text, timeout=30_000)


@pytest.fixture
def task(visit):
    """Open the console's first page, and check the number of clicks at the end."""
    opened = []

    def start(path=""):
        opened.append(Clicks(visit(path)))
        return opened[-1]

    yield start
    for one in opened:
        assert one.count <= MOST_CLICKS
        assert [note for note in one.page.noted if "favicon" not in note] == []


def test_find_a_customer_and_why_she_is_at_risk(task):
    work = task()
    work.fill("Search by id, company, e-mail", "mailcanary42@")
    work.page.keyboard.press("Enter")
    work.click("link", "idcanary7x00042")
    work.expect("Raises the risk")
    work.expect("Lowers the risk")


def test_assign_ten_calls_and_list_them_by_owner(task):
    work = task("?action=call&status=open")
    work.choose("Apply to", "first")
    work.fill("Number, if first", "10")
    work.fill("Your name", "ann")
    work.fill("New owner", "bo")
    work.click("button", "Assign")
    work.expect("10 customers assigned to bo")
    calls = task()
    calls.choose("Owner", "bo")
    calls.choose("Recommended action", "call")
    calls.click("button", "Apply filters")
    calls.expect("10 customers by")


def test_approve_a_call_and_finish_the_first_step_of_its_playbook(task):
    work = task("?action=call&status=open&sort=risk")
    work.page.locator("tbody th a").first.click()
    work.count += 1
    work.fill("Your name", "ann")
    work.page.get_by_label("Reason").fill("agreed")
    work.click("button", "Approve")
    work.expect("Write an e-mail")
    work.expect("due")
    work.page.locator("form[action='/tasks/change']").first.get_by_text("Customer answered").click()
    work.count += 1
    work.expect("skipped")


def test_find_the_account_at_highest_risk_and_its_customers(task):
    work = task()
    work.click("link", "Accounts")
    work.page.locator("tbody th a").first.click()
    work.count += 1
    work.expect("Health score")
    work.expect("Show in the list of customers")


def test_put_an_owner_into_a_team_and_list_its_customers(task):
    work = task("?action=call")
    work.choose("Apply to", "first")
    work.fill("Your name", "ann")
    work.fill("New owner", "eve")
    work.click("button", "Assign")
    work.expect("assigned to eve")
    teams = task("teams")
    add = teams.page.locator("form[aria-label='Add a person']")
    add.get_by_label("By").fill("ann")
    add.get_by_label("Person").fill("eve")
    add.get_by_label("Team").fill("East")
    teams.click("button", "Add to team")
    teams.expect("East")
    listed = task("?team=East")
    listed.expect("20 customers by")


def test_snooze_a_customer_until_monday(task):
    work = task("customers/idcanary7x00042")
    work.page.locator("form[action='/snooze']").get_by_label("By").fill("ann")
    work.click("button", "Snooze")
    work.expect("Snoozed until", within="header")


def test_approve_the_first_twenty_under_a_budget(task, console):
    work = task("?sort=gain")
    work.choose("Apply to", "first")
    work.fill("Your name", "ann")
    work.fill("Reason", "calls of this week")
    work.fill("Budget, optional", "60")
    work.click("button", "Approve")
    work.expect("12 actions approved at a total cost of €60, within a budget of €60.")
    work.expect("churnkit push --approved")
    with Journal.open(console[1]) as journal:
        rows = journal.decisions().to_pylist()
    assert sum(row["why"] == "calls of this week" for row in rows) == 12


def test_see_what_is_at_risk_and_what_changes_it(task):
    work = task()
    work.click("link", "Report")
    work.expect("At-risk revenue over 12 months", within="#headline")
    work.page.go_back()
    work.click("link", "What if")
    work.fill("Budget, empty for no limit", "50")
    work.click("button", "Compare")
    work.expect("against today's plan")
    work.expect("€50", within="tr:has-text('All actions')")


@pytest.mark.parametrize(
    ("section", "finding"),
    [
        ("Churn drivers", "Relative churn rate by product usage"),
        ("Voice of the customer", "Survey scores by segment"),
        ("Voice of the customer", "Relative churn rate by survey response"),
        ("Experiments", "Effect of past actions on churn"),
    ],
)
def test_find_features_of_stayers_nps_by_segment_and_effects_of_campaigns(task, section, finding):
    work = task()
    work.click("link", "Report")
    work.click("link", section, exact=True)
    work.expect(finding)


@pytest.mark.parametrize(
    ("path", "link", "column"),
    [
        ("what-if?budget=50", "Download this plan (CSV)", "action"),
        ("?sort=risk", "Download CSV", "E-mail"),
    ],
)
def test_export_a_plan_and_a_view(task, tmp_path, path, link, column):
    work = task(path)
    with work.page.expect_download() as started:
        work.click("link", link)
    started.value.save_as(tmp_path / "file.csv")
    with (tmp_path / "file.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert column in rows[0]
