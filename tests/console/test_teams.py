"""Teams of owners: filters, the manager's view, concurrent changes and rights."""

from __future__ import annotations

import csv
import io

import pytest

from churnkit.console.pages.context import customer_link
from churnkit.journal.worklist.tasks import Tasks
from churnkit.journal.worklist.worklist import Worklist
from churnkit.server.auth.api_keys import add_key

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

CANARY = "<script>t</script>"


@pytest.fixture
def team(work, work_list, send_form):
    """A browser on a console where ann and bo are in the team East, and cy in none."""
    browser, journal = work()
    for row, owner in ((5, "ann"), (6, "bo"), (7, "cy")):
        path = customer_link(work_list.customers[row])
        send_form(browser, path, "/owner", by="kim", owner=owner)
        send_form(browser, path, "/tasks/add", by="kim", title=f"Call {owner}", owner=owner)
    for person in ("ann", "bo", "kim"):
        send_form(browser, "/teams", "/teams", by="kim", person=person, team="East")
    return browser, journal


def customers(browser, query):
    text = browser.get(f"/customers.csv?{query}").text
    return {row["customer"] for row in csv.DictReader(io.StringIO(text))}


def test_customers_and_tasks_are_filtered_by_team(team, work_list):
    browser, _ = team
    assert customers(browser, "team=East") == set(work_list.customers[5:7])
    assert customers(browser, "team=West") == set()
    page = browser.get("/tasks?team=East").text
    assert "Call ann" in page
    assert "Call bo" in page
    assert "Call cy" not in page
    # The name that was entered is remembered, and with it the person's own team.
    assert customers(browser, "team=me") == set(work_list.customers[5:7])
    assert "My team" in browser.get("/").text


def test_a_manager_with_a_key_sees_the_own_team_and_a_viewer_cannot_change_it(
    team, work, work_list, tmp_path, send_form
):
    keys = tmp_path / "keys.json"
    manager = add_key(keys, name="kim", scopes=("recommend", "outcomes", "manage"))
    viewer = add_key(keys, name="val", scopes=("recommend", "outcomes"))
    browser, _ = work(keys, manager)
    assert customers(browser, "team=me") == set(work_list.customers[5:7])
    answer = send_form(browser, "/teams", "/teams", person="cy", team="East")
    assert answer.status_code == 200
    assert len(customers(browser, "team=me")) == 3
    other, _ = work(keys, viewer)
    assert 'action="/teams"' not in other.get("/teams").text
    token = other.cookies.get("churnkit_form")
    form = {"token": token, "form_id": "1", "person": "cy", "team": "West"}
    assert other.post("/teams", data=form).status_code == 403
    assert "cy: East" in browser_of_admin(work, keys).get("/changes").text


def browser_of_admin(work, keys):
    key = add_key(keys, name="ada", scopes=("recommend", "outcomes", "manage", "admin"))
    return work(keys, key)[0]


def test_the_second_of_two_managers_is_told_and_shown_what_was_typed(team, work, send_form):
    first, _ = team
    second, _ = work()
    page = second.get("/teams").text
    version = page.split('name="person" value="ann"')[0].rsplit('name="version" value="', 1)[1]
    stale = {"version": version.split('"')[0], "person": "ann", "by": "lee", "team": "West"}
    fresh = first.get("/teams").text
    assert fresh.count('value="East"') >= 3
    token = first.cookies.get("churnkit_form")
    form = {"token": token, "form_id": "a", "by": "kim", "person": "ann", "team": "North"}
    assert first.post("/teams", data=form | {"version": stale["version"]}).status_code == 200
    stale |= {"token": second.cookies.get("churnkit_form"), "form_id": "b"}
    answer = second.post("/teams", data=stale)
    assert answer.status_code == 409
    assert "kim has changed this team" in answer.text.lower()
    assert "West" in answer.text


def test_no_text_of_the_form_becomes_markup_and_a_forged_form_is_refused(team, send_form):
    browser, journal = team
    send_form(browser, "/teams", "/teams", by="kim", person=CANARY, team=CANARY)
    for page in ("/teams", "/", "/tasks", "/changes", f"/?team={CANARY}"):
        assert "<script>" not in browser.get(page).text
    form = {"token": "forged", "form_id": "1", "by": "kim", "person": "ann", "team": "West"}
    before = len(Worklist(journal).history())
    assert browser.post("/teams", data=form).status_code == 403
    assert len(Worklist(journal).history()) == before
    assert len(Tasks(Worklist(journal)).list(owners=["ann", "bo"])) == 2
