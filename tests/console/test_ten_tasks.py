"""Ten tasks of a customer success team in the console: three clicks at most, or no mouse at all."""

from __future__ import annotations

import csv

import pytest

from churnkit.journal import Journal
from tests.console.drivers import Keyboard, Mouse

httpx = pytest.importorskip("httpx", reason="httpx is not installed (extra 'test')")
pytest.importorskip("jinja2", reason="the extra 'console' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'console' is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.server]

MOST_CLICKS = 3


@pytest.fixture(params=[Mouse, Keyboard])
def task(request, visit):
    """Open a page with the mouse or the keyboard, and check the number of clicks at the end."""
    opened = []

    def start(path=""):
        opened.append(request.param(visit(path)))
        return opened[-1]

    start.hand = request.param.__name__.lower()  # type: ignore[attr-defined]
    yield start
    for work in opened:
        assert work.clicks <= MOST_CLICKS
        assert [note for note in work.page.noted if "favicon" not in note] == []


def test_find_a_customer_and_why_she_is_at_risk(task):
    work = task()
    work.fill("Search by id, company, e-mail", "mailcanary42@")
    work.enter()
    work.press("link", "idcanary7x00042")
    work.expect("Raises the risk").expect("Lowers the risk")


def test_assign_ten_calls_and_list_them_by_owner(task):
    owner = f"bo {task.hand}"
    work = task("?action=call&status=open")
    work.choose("Apply to", "First")
    work.fill("Number, if first", "10")
    work.fill("Your name", "ann")
    work.fill("New owner", owner)
    work.press("button", "Assign")
    work.expect(f"10 customers assigned to {owner}")
    calls = task("?action=call")
    calls.choose("Owner", owner)
    calls.press("button", "Apply filters")
    calls.expect("10 customers by")


def test_snooze_a_customer_until_monday(task):
    number = {"mouse": "00043", "keyboard": "00044"}[task.hand]
    work = task(f"customers/idcanary7x{number}")
    work.fill("Your name", "ann", "Snooze")
    work.press("button", "Snooze", "Snooze")
    work.expect("Snoozed until", "header")


def test_approve_the_first_twenty_under_a_budget(task, console):
    why = f"calls by {task.hand}"
    work = task("?sort=gain")
    work.choose("Apply to", "First")
    work.fill("Your name", "ann")
    work.fill("Reason", why)
    work.fill("Budget, optional", "60")
    work.press("button", "Approve")
    work.expect("12 actions approved at a total cost of €60, within a budget of €60.")
    with Journal.open(console[1]) as journal:
        rows = journal.decisions().to_pylist()
    assert sum(row["why"] == why for row in rows) == 12


def test_see_what_is_at_risk_and_what_changes_it(task):
    work = task()
    work.press("link", "Report")
    work.expect("At-risk revenue over 12 months", "#headline")
    work.page.go_back()
    work.press("link", "What if")
    work.fill("Budget, empty for no limit", "50")
    work.press("button", "Compare")
    work.expect("against today's plan")
    work.expect("€50", "tr:has-text('All actions')")


@pytest.mark.parametrize(
    ("section", "finding"),
    [
        pytest.param("Churn drivers", "Relative churn rate by product usage", id="feature"),
        pytest.param("Voice of the customer", "Survey scores by segment", id="nps"),
        pytest.param("Experiments", "Effect of past actions on churn", id="campaign"),
    ],
)
def test_find_the_feature_of_stayers_nps_by_segment_and_the_effect_of_a_campaign(
    task, section, finding
):
    work = task()
    work.press("link", "Report")
    work.press("link", section)
    work.page.wait_for_url("**/report#*")
    work.expect(finding)
    if section.startswith("Voice"):
        work.expect("Relative churn rate by survey response")


def test_send_the_plan_to_the_crm(task, console, crm_server, send_form):
    with httpx.Client(base_url=console[0], follow_redirects=True, timeout=60) as client:
        fields = {"apply_to": "first", "count": "2", "by": "ann", "why": "to send"}
        send_form(client, "/?sort=cost", "/bulk", button="approve", **fields)
    before = len(crm_server.events)
    work = task()
    work.press("link", "Send to crm")
    work.press("button", "Send ")
    while work.page.get_by_role("link", name="Show the progress").count():
        work.page.reload()
    work.expect("All approved actions are sent.")
    assert len(crm_server.events) >= before + 2
    assert crm_server.arrivals == len(crm_server.events)


@pytest.mark.parametrize(
    ("path", "link", "column"),
    [
        ("what-if?budget=50", "Download this plan (CSV)", "action"),
        ("?sort=risk", "Download CSV", "E-mail"),
    ],
)
def test_export_a_plan_and_a_view(task, tmp_path, path, link, column):
    work = task(path)
    work.download(link).save_as(tmp_path / "file.csv")
    with (tmp_path / "file.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert column in rows[0]
