"""The console in a browser, served by its command."""

from __future__ import annotations

import re
from html import unescape

import pytest

from churnkit.journal import Journal

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")
pytest.importorskip("uvicorn", reason="the extra 'console' is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.server]


def first_customer(page):
    return page.locator("tbody th a").first.get_attribute("href").lstrip("/")


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_load_without_errors_and_nothing_is_cut_or_overlaps(visit, faults_of, width):
    paths = (
        "",
        "report",
        "push",
        first_customer(visit()),
        "customers/%3Dcmd%7C'x'",
        "customers/nobody",
    )
    for path in paths:
        page = visit(path, width)
        assert [one for one in page.noted if "404" not in one] == [], path
        assert faults_of(page) == [], path


BAR = """() => [...document.querySelectorAll(':is(.filters, .more-filters) :is(select, button)')].map((one) => {
  const box = one.getBoundingClientRect();
  return [box.left, box.top, box.width, box.height, getComputedStyle(one).borderRadius];
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "report"])
def test_filters_are_large_enough_for_touch(visit, path, scheme):
    page = visit(path, 390, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    boxes = page.evaluate(BAR)
    assert len(boxes) >= 2
    assert {round(left) for left, *_ in boxes} <= {round(boxes[0][0]), round(boxes[1][0])}
    for _, _, width, height, radius in boxes:
        assert width >= 120
        assert height >= 44
        assert radius != "0px"


@pytest.mark.parametrize(
    "path",
    [
        *("", "customer", "tasks", "what-if", "changes", "push"),
        pytest.param("report", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_no_fault_of_any_grade(visit, looks, axe, path):
    page = visit(first_customer(visit()) if path == "customer" else path, bypass_csp=True)
    for look in looks(page):
        assert axe(page) == [], look


def test_a_decision_by_keyboard_is_recorded_once_and_shown(visit, console):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page = visit(first_customer(visit("?action=call")))
    page.get_by_label("Your name").first.press_sequentially("ann")
    page.keyboard.press("Tab")
    page.keyboard.type("has called already")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "Dismissed by ann: has called already" in page.content()
    page.reload()
    with Journal.open(console[1]) as journal:
        rows = journal.decisions().to_pylist()
    assert sorted(row["verdict"] for row in rows) == ["decide", "reject"]
    assert "1 dismissed" in visit().content()
    assert "Dismissed" in visit("?status=reject").locator("tbody").inner_text()


PAGES = ("accounts", "accounts/account/Company%200", "accounts/parent/Group%200", "teams", "tasks")


@pytest.fixture(scope="module")
def busy(console):
    """The console with an owner in a team, and the playbook of an approved action."""
    import httpx

    address, _ = console
    with httpx.Client(base_url=address, follow_redirects=True, timeout=60) as client:

        def send(path, action, **fields):
            page = client.get(path).text
            (form,) = re.findall(rf'<form[^>]* action="{action}".*?</form>', page, re.DOTALL)[:1]
            hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
            data = {name: unescape(value) for name, value in hidden} | fields
            client.post(action, data=data).raise_for_status()

        some = {"apply_to": "first", "count": "2", "by": "ann", "why": "agreed"}
        send("/?sort=cost", "/bulk", **some, owner="Bo Berg", button="assign")
        send("/?sort=cost", "/bulk", **some, button="approve")
        send("/teams", "/teams", by="ann", person="Bo Berg", team="East")


@pytest.mark.parametrize("path", PAGES)
def test_accounts_teams_and_tasks_are_accessible_and_not_cut(
    busy, visit, looks, faults_of, axe, path
):
    page = visit(path, bypass_csp=True)
    for look in looks(page):
        assert faults_of(page) == [], look
        assert axe(page) == [], look
    assert page.noted == []


# Pages whose texts differ most in length; the last is a customer with tasks of a playbook.
GERMAN_PAGES = (
    *("", "accounts", "accounts/account/Company%200", "tasks", "teams", "what-if?budget=100"),
    *("push", "report", "customer"),
)
# Colors are those of the English pages.
CHECKED_BY_AXE = ("light, 390 px", "dark, 1280 px")


@pytest.mark.parametrize("path", GERMAN_PAGES)
def test_german_pages_are_accessible_and_not_cut(busy, visit, looks, faults_of, axe, path):
    if path == "customer":
        path = first_customer(visit("?status=approve"))
    page = visit(path, bypass_csp=True, locale="de-DE")
    if path == "report":  # built at the first visit
        link = page.get_by_role("link", name="Bericht anzeigen")
        while link.count():
            assert axe(page) == []
            link.click()
    assert page.locator("html").get_attribute("lang") == "de"
    for look in looks(page):
        assert faults_of(page) == [], look
        assert look not in CHECKED_BY_AXE or axe(page) == [], look
    assert page.noted == []
