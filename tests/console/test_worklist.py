"""Daily work in the console: search, owners, snoozes, tasks, views, bulk actions and roles."""

from __future__ import annotations

import csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from churnkit.console.pages.context import customer_link
from churnkit.console.pages.customer_page import describe_change
from churnkit.journal import Journal
from churnkit.journal.worklist.records import Change
from churnkit.journal.worklist.tasks import Tasks
from churnkit.journal.worklist.worklist import Worklist
from churnkit.server.auth.api_keys import add_key

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

NOW = datetime.fromisoformat("2026-11-05T09:00:00+00:00")
CANARY = "<script>alert('c')</script>"


def exported(browser, query=""):
    return list(csv.DictReader(io.StringIO(browser.get(f"/customers.csv?{query}").text)))


def ids(browser, query=""):
    return [row["customer"].removeprefix("'") for row in exported(browser, query)]


def hidden_fields(page, action):
    (form,) = re.findall(rf'action="{action}".*?</form>', page, re.DOTALL)
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def results(page):
    """Texts of the result of a bulk form."""
    return re.findall(r'<p class="lead" role="status">(.*?)</p>|<li>(\d+ left out: .*?)</li>', page)


def with_action(customers):
    return [
        customers.customers[row]
        for row in customers.order.tolist()
        if customers.decisions.action[row] >= 0
    ]


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("risk_min=30", lambda c: c.probability >= 0.3),
        ("risk_max=30&value_min=50", lambda c: (c.probability <= 0.3) & (c.value >= 50.0)),
        ("action=call", lambda c: c.decisions.action == 0),
        ("action=", lambda c: c.decisions.action < 0),
        ("at_risk_max=100", lambda c: c.at_risk <= 100.0),
        ("contact=never", lambda c: np.ones(len(c.customers), bool)),
        ("q=X0001", lambda c: np.char.find(np.array(c.customers), "x0001") >= 0),
        ("q=mailcanary77%40", lambda c: np.array(c.table["email"]) == "mailcanary77@example.org"),
        ("f.plan=pro&status=open", lambda c: np.array(c.table["plan"]) == "pro"),
        ("f.plan=none", lambda c: np.zeros(len(c.customers), bool)),
    ],
)
def test_a_query_selects_the_rows_of_a_direct_computation(work, work_list, query, condition):
    browser, _ = work()
    expected = {work_list.customers[row] for row in np.flatnonzero(condition(work_list))}
    assert set(ids(browser, query)) == expected
    noun = "customer" if len(expected) == 1 else "customers"
    assert f"{len(expected):,} {noun} by" in browser.get(f"/?{query}").text


@pytest.mark.parametrize(
    ("sort", "column"),
    [("risk", "churn_probability"), ("value", "value"), ("gain", "expected_gain")],
)
def test_both_orders_are_sorted_and_reverse_each_other(work, sort, column):
    browser, _ = work()
    values = [float(row[column]) for row in exported(browser, f"sort={sort}")]
    assert values == sorted(values, reverse=True)
    assert ids(browser, f"sort={sort}&order=asc") == ids(browser, f"sort={sort}")[::-1]
    names = ids(browser, "sort=customer")
    assert names == sorted(names, key=str.lower)


@pytest.mark.parametrize("query", [
    "risk_min=high", "sort=email", "value_max=nan", "status=zzz", "status=", "response=zzz", "contact=zzz",
    "contact=45", "changed=zzz", "due=zzz", "order=zzz",
])  # fmt: skip
def test_an_invalid_filter_is_refused_with_a_message(work, query):
    browser, _ = work()
    for path in ("/", "/customers.csv"):
        answer = browser.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert "must be" in answer.text
    assert browser.get("/?status=*&response=*&contact=30&changed=*&due=*").status_code == 200


@pytest.mark.parametrize("query", ["status=zzz", "due=zzz"])
def test_an_unknown_filter_of_tasks_is_refused(work, query):
    answer = work()[0].get(f"/tasks?{query}")
    assert answer.status_code == 400
    assert "must be one of" in answer.text


def test_pages_of_the_list_are_disjoint_and_complete(work, work_list):
    browser, _ = work()
    found = []
    for page in range(1, 9):
        found += re.findall(r'aria-label="Select ([^"]+)"', browser.get(f"/?page={page}").text)
    assert len(found) == len(set(found)) == len(work_list.order)


def test_an_owner_a_snooze_and_a_note_are_kept_and_logged(work, work_list, send_form):
    browser, journal = work()
    path = customer_link(work_list.customers[5])
    assert send_form(browser, path, "/owner", by="ann", owner="bo").status_code == 200
    assert send_form(browser, path, "/snooze", until="2026-11-09").status_code == 200
    assert send_form(browser, path, "/notes", note="asked for a call").status_code == 200
    page = browser.get(path).text
    assert "Owner: bo" in page
    assert "Snoozed until 2026-11-09" in page
    assert "asked for a call" in page
    assert ids(browser, "owner=bo") == [work_list.customers[5]]
    assert ids(browser, "status=snooze") == [work_list.customers[5]]
    assert {change.by for change in Worklist(journal).history()} == {"ann"}
    assert len(journal.decisions()) == 0
    assert send_form(browser, path, "/snooze", reopen="yes").status_code == 200
    assert ids(browser, "status=snooze") == []
    log = browser.get("/changes").text
    assert "asked for a call" in log


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (None, "Call", "Task: Call"),
        (
            "Call; open; due 2026-12-05; owner ann; soon",
            "Call; done; due 2026-12-05; owner bo; soon",
            "Task: Call: open; owner ann \N{RIGHTWARDS ARROW} done; owner bo",
        ),
    ],
)
def test_a_changed_task_is_described_by_what_has_changed(before, after, text):
    change = Change("c1", NOW, "ann", "task", before, after)
    assert describe_change(change)["text"] == text


@pytest.mark.parametrize(
    ("due", "is_kept"),
    [
        *(("9999-12-31", False), ("12026-01-01", False), ("0001-01-01", False)),
        *(("2028-11-05", False), ("2028-11-04", True), ("2025-11-03", False)),
        *(("2025-11-04", True), ("", True)),
    ],
)
def test_a_task_is_due_within_a_year_back_and_two_years_ahead(
    work, work_list, send_form, due, is_kept
):
    browser, journal = work()
    path = customer_link(work_list.customers[5])
    answer = send_form(browser, path, "/tasks/add", by="ann", title="Call", due=due)
    assert answer.status_code == (200 if is_kept else 400)
    assert is_kept or re.search(r"“Due” must be (a date|no (later|earlier) than)", answer.text)
    assert len(Tasks(Worklist(journal)).list()) == is_kept


def test_a_snoozed_customer_returns_on_the_day(work, work_list, send_form):
    customer = work_list.customers[5]
    send_form(work()[0], customer_link(customer), "/snooze", by="ann", until="2026-11-09")
    for days, status in ((3, "snooze"), (4, "open")):
        later, _ = work(clock=lambda days=days: NOW + timedelta(days=days))
        assert {row["status"] for row in exported(later) if row["customer"] == customer} == {status}


def test_a_snooze_past_the_period_releases_the_action_in_the_journal(work, work_list, send_form):
    browser, journal = work()
    customer = with_action(work_list)[0]
    send_form(browser, customer_link(customer), "/snooze", by="ann", until="2026-12-07")
    rows = {row["verdict"]: row for row in journal.decisions(customers=[customer]).to_pylist()}
    assert set(rows) == {"decide", "snooze"}
    assert rows["snooze"]["why"] == "snoozed until 2026-12-07"


@pytest.mark.parametrize("until", [
    "2026-11-05", "2026-10-01", "monday", "", "9999-12-31", "2028-11-05",
])  # fmt: skip
def test_a_snooze_must_end_in_the_next_two_years(work, work_list, send_form, until):
    browser, journal = work()
    answer = send_form(
        browser, customer_link(work_list.customers[5]), "/snooze", by="a", until=until
    )
    assert answer.status_code == 400
    assert Worklist(journal).states() == []


def test_two_people_on_one_customer_lose_nothing(work, work_list, send_form):
    (first, journal), (second, _) = work(), work()
    customer = work_list.customers[5]
    path = customer_link(customer)
    page = second.get(path).text
    stale = hidden_fields(page, "/owner")
    assert send_form(first, path, "/owner", by="ann", owner="ann").status_code == 200
    answer = second.post("/owner", data=stale | {"by": "bo", "owner": "the other team"})
    assert answer.status_code == 409
    assert "ann has changed this customer" in answer.text.lower()
    assert "the other team" in answer.text
    assert Worklist(journal).state(customer).owner == "ann"
    for browser, by in ((first, "ann"), (second, "bo")):
        send_form(browser, path, "/notes", by=by, note=f"note of {by}")
    page = first.get(path).text
    assert "note of ann" in page
    assert "note of bo" in page


def test_a_refused_decision_shows_what_was_typed(work, work_list, send_form):
    browser, _ = work()
    path = customer_link(with_action(work_list)[0])
    page = browser.get(path).text
    fields = hidden_fields(page, "/verdicts")
    fields |= {"by": "bo", "why": "a long story", "verdict": "approve"}
    send_form(browser, path, "/verdicts", by="ann", why="left", verdict="reject")
    answer = browser.post("/verdicts", data=fields)
    assert answer.status_code == 400
    assert "a long story" in answer.text


def test_tasks_are_added_finished_and_listed_by_owner_and_day(work, work_list, send_form):
    browser, journal = work()
    for row, due in ((5, "2026-11-05"), (6, "2026-11-20")):
        path = customer_link(work_list.customers[row])
        send_form(browser, path, "/tasks/add", by="ann", title=f"Call {row}", owner="bo", due=due)
    page = browser.get("/tasks?owner=bo&due=today").text
    assert "Call 5" in page
    assert "Call 6" not in page
    assert ids(browser, "due=today") == [work_list.customers[5]]
    assert send_form(browser, "/tasks?due=today", "/tasks/change", status="done").status_code == 200
    (task,) = Tasks(Worklist(journal)).list(status="done")
    assert (task.title, task.changed_by, task.due) == ("Call 5", "ann", date(2026, 11, 5))
    assert "Call 5" in browser.get("/tasks?status=done").text


def test_the_first_customers_are_approved_within_a_budget(work, work_list, send_form):
    browser, journal = work()
    costs = {name: float(work_list.decisions.cost[work_list.rows[name]]) for name in work_list.rows}
    expected = with_action(work_list)[:4]
    budget = sum(costs[name] for name in expected)
    fields = {"apply_to": "first", "count": "20", "by": "ann", "why": "today's calls"}
    answer = send_form(browser, "/", "/bulk", button="approve", budget=f"{budget}", **fields)
    assert "4 actions approved" in answer.text
    approved = [r["customer"] for r in journal.decisions().to_pylist() if r["verdict"] == "approve"]
    assert sorted(approved) == sorted(expected)
    again = send_form(browser, "/", "/bulk", button="approve", budget="0", **fields)
    assert "0 actions approved" in again.text
    assert "the budget is used" in again.text


def test_the_first_customers_without_an_owner_are_those_of_the_list(work, work_list, send_form):
    browser, journal = work()
    names = with_action(work_list)
    send_form(browser, customer_link(names[0]), "/owner", by="ann", owner="bo")
    send_form(
        browser, "/?owner=", "/bulk",
        button="approve", apply_to="first", count="2", by="ann", why="first of the list",
    )  # fmt: skip
    rows = journal.decisions(verdict="approve").to_pylist()
    assert {row["customer"] for row in rows} == set(names[1:3])


def test_a_bulk_form_sent_twice_approves_once(work, work_list):
    browser, journal = work()
    page = browser.get("/").text
    fields = hidden_fields(page, "/bulk")
    fields |= {"by": "ann", "why": "agreed", "button": "approve"}
    fields["customer"] = with_action(work_list)[:3]
    first, again = (browser.post("/bulk", data=fields).text for _ in range(2))
    assert "3 actions approved" in first
    assert results(again) == results(first)
    assert len(journal.decisions()) == 6


@pytest.mark.parametrize(
    ("fields", "said", "count"),
    [
        ({"button": "approve", "count": "5"}, "5 actions approved at a total cost of", 5),
        ({"button": "approve", "count": "9", "budget": "0"}, "0 actions approved", 0),
        ({"button": "snooze", "count": "2", "until": "2026-12-07"}, "2 customers snoozed", 2),
        ({"button": "assign", "count": "3", "owner": "bo"}, "3 customers assigned to bo", 3),
    ],
)
def test_a_form_on_the_first_customers_acts_once(work, work_list, fields, said, count):
    (first, journal), (second, _) = work(), work()
    # Without the snoozed and owned ones, the list begins with other customers after each form.
    query = {"approve": "", "snooze": "status=open", "assign": "owner="}[fields["button"]]
    before = ids(first, query)
    form = hidden_fields(first.get(f"/?{query}").text, "/bulk") | {"query": query}
    form |= {"apply_to": "first", "by": "ann", "why": "agreed"} | fields
    second.cookies.update(first.cookies)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda browser: browser.post("/bulk", data=form), (first, second)))
    answers.append(first.post("/bulk", data=form))
    assert said in answers[0].text
    assert [results(answer.text) for answer in answers] == [results(answers[0].text)] * 3
    expected = with_action(work_list)[:count] if fields["button"] == "approve" else before[:count]
    rows = journal.decisions(verdict=fields["button"]).to_pylist()
    states = {state.customer for state in Worklist(journal).states()}
    acted = states if fields["button"] == "assign" else {row["customer"] for row in rows}
    assert (states if fields["button"] == "snooze" else acted) == set(expected)
    other = first.post("/bulk", data=form | {"count": "1"})
    assert other.status_code == 409
    assert "recorded with other entries" in other.text
    assert len(journal.decisions(verdict=fields["button"])) == len(rows)


def test_a_refused_bulk_form_changes_nothing_and_can_be_corrected(work, work_list):
    browser, journal = work()
    form = hidden_fields(browser.get("/").text, "/bulk")
    form |= {"apply_to": "first", "count": "2", "button": "approve", "by": "ann"}
    assert "a reason is required" in browser.post("/bulk", data=form).text.lower()
    assert "2 actions approved" in browser.post("/bulk", data=form | {"why": "agreed"}).text
    assert len(journal.decisions(verdict="approve")) == 2


def test_selected_customers_are_assigned_snoozed_and_reopened(work, work_list, send_form):
    browser, _ = work()
    chosen = list(work_list.customers[5:8])
    answer = send_form(
        browser, "/", "/bulk", customer=chosen, by="ann", owner="bo", button="assign"
    )
    assert "3 customers assigned to bo" in answer.text
    fields = {"customer": chosen, "until": "2026-11-09"}
    assert (
        "snoozed until 2026-11-09"
        in send_form(browser, "/", "/bulk", button="snooze", **fields).text
    )
    assert set(ids(browser, "owner=bo&status=snooze")) == set(chosen)
    assert (
        "3 customers reopened" in send_form(browser, "/", "/bulk", button="reopen", **fields).text
    )
    assert set(ids(browser, "owner=bo&status=open")) == set(chosen)
    none = send_form(browser, "/", "/bulk", button="assign", owner="bo")
    assert none.status_code == 400
    assert "select at least one customer" in none.text.lower()


def test_a_bulk_change_leaves_out_customers_changed_in_the_meantime(work, work_list, send_form):
    (first, journal), (second, _) = work(), work()
    page = second.get("/").text
    stale = hidden_fields(page, "/bulk")
    path = customer_link(work_list.customers[5])
    send_form(first, path, "/owner", by="ann", owner="ann")
    answer = second.post(
        "/bulk",
        data=stale
        | {"by": "bo", "owner": "bo", "button": "assign", "customer": work_list.customers[5:7]},
    )
    assert "1 customer assigned to bo" in answer.text
    assert "1 left out: changed by someone else in the meantime" in answer.text
    assert Worklist(journal).state(work_list.customers[5]).owner == "ann"


def test_a_bulk_snooze_keeps_the_actions_of_customers_changed_in_the_meantime(
    work, work_list, send_form
):
    (first, journal), (second, _) = work(), work()
    stale = hidden_fields(second.get("/").text, "/bulk")
    changed, free = with_action(work_list)[:2]
    path = customer_link(changed)
    send_form(first, path, "/verdicts", by="ann", why="agreed", verdict="approve")
    send_form(first, path, "/owner", by="ann", owner="ann")
    fields = {"by": "bo", "until": "2026-12-07", "button": "snooze", "customer": [changed, free]}
    answer = second.post("/bulk", data=stale | fields)
    assert "1 left out: changed by someone else in the meantime" in answer.text
    rows = journal.decisions(verdict="snooze").to_pylist()
    assert [row["customer"] for row in rows] == [free]
    tasks = Tasks(Worklist(journal)).list(customer=changed)
    assert [task.status for task in tasks] == ["open", "open"]


def test_a_saved_view_leads_to_its_list_and_keeps_only_known_parameters(work, send_form):
    browser, _ = work()
    send_form(browser, "/?sort=risk&f.plan=pro", "/views", view="Pro by risk")
    assert '<a href="/?f.plan=pro&amp;sort=risk">Pro by risk</a>' in browser.get("/").text
    send_form(browser, "/", "/views", view="Other", query="next=//evil.example&q=a")
    assert "evil" not in browser.get("/").text
    send_form(browser, "/", "/views", view="Other", remove="yes")
    assert ">Other</a>" not in browser.get("/").text


def test_a_view_that_was_saved_before_a_name_was_entered_stays_with_the_person(
    work, work_list, send_form
):
    browser, _ = work()
    send_form(browser, "/?sort=risk", "/views", view="By risk")
    path = customer_link(work_list.customers[0])
    send_form(browser, path, "/snooze", by="Kim", until="2026-11-09")
    assert "Kim (admin)" in browser.get("/").text
    assert '<a href="/?sort=risk">By risk</a>' in browser.get("/").text
    send_form(browser, "/?sort=value", "/views", view="By risk")
    assert '<a href="/?sort=value">By risk</a>' in browser.get("/").text
    send_form(browser, "/", "/views", view="By risk", remove="yes")
    assert ">By risk</a>" not in browser.get("/").text


def test_news_since_the_last_visit_are_counted(work, work_list, send_form):
    browser, _ = work()
    browser.get("/")
    colleague, _ = work(clock=lambda: NOW + timedelta(hours=1))
    path = customer_link(with_action(work_list)[0])
    send_form(colleague, path, "/verdicts", by="bo", why="agreed", verdict="approve")
    later, _ = work(clock=lambda: NOW + timedelta(hours=2))
    page = later.get("/").text
    assert "Since your last visit on 2026-11-05" in page
    assert "1 decision by others" in page


TEXT_FIELDS = [
    ("/owner", {"owner": CANARY}),
    ("/notes", {"note": CANARY}),
    ("/tasks/add", {"title": CANARY, "owner": CANARY, "note": CANARY}),
    ("/verdicts", {"why": CANARY, "verdict": "approve"}),
]


@pytest.mark.parametrize(("action", "fields"), TEXT_FIELDS)
def test_no_text_of_a_form_becomes_markup(work, work_list, send_form, action, fields):
    browser, _ = work()
    path = customer_link(with_action(work_list)[0])
    assert send_form(browser, path, action, by=CANARY, **fields).status_code == 200
    send_form(browser, f"/?q={CANARY}", "/views", view=CANARY)
    for page in ("/", path, "/tasks", "/changes", f"/?q={CANARY}", f"/tasks?owner={CANARY}"):
        answer = browser.get(page)
        assert answer.status_code == 200
        assert "<script" not in answer.text
    assert "&lt;script&gt;" in browser.get(path).text


def test_no_text_of_a_form_becomes_a_formula(work, work_list, send_form):
    browser, _ = work()
    path = customer_link(work_list.customers[5])
    send_form(browser, path, "/owner", by="ann", owner="=cmd|'calc'")
    cells = [cell for row in exported(browser) for cell in row.values()]
    assert "'=cmd|'calc'" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]


POSTS = [
    "/verdicts",
    "/owner",
    "/snooze",
    "/notes",
    "/tasks/add",
    "/tasks/change",
    "/views",
    "/bulk",
]


@pytest.mark.parametrize("action", POSTS)
def test_a_forged_form_is_refused_at_every_address(work, work_list, action):
    browser, journal = work()
    browser.get("/")
    form = {
        "customer": work_list.customers[5],
        "form_id": "1",
        "by": "a",
        "owner": "x",
        "view": "x",
    }
    form |= {"note": "x", "title": "x", "why": "x", "verdict": "approve", "button": "assign"}
    assert browser.post(action, data=form | {"token": "forged"}).status_code == 403
    assert browser.post(action, data=form).status_code == 403
    assert browser.get(action).status_code in {404, 405}
    worklist = Worklist(journal)
    assert (worklist.states(), worklist.history(), len(journal.decisions())) == ([], [], 0)


@pytest.mark.parametrize(
    ("scopes", "role"),
    [
        (("recommend",), "viewer"),
        (("recommend", "outcomes"), "agent"),
        (("recommend", "outcomes", "manage"), "manager"),
        (("recommend", "outcomes", "manage", "admin"), "admin"),
    ],
)
def test_roles_limit_what_is_shown_and_changed(work, work_list, send_form, tmp_path, scopes, role):
    keys = tmp_path / "keys.json"
    browser, journal = work(keys, add_key(keys, name="Kim", scopes=scopes))
    rank = ("viewer", "agent", "manager", "admin").index(role)
    page = browser.get("/").text
    assert f"Kim ({role})" in page
    assert ("mailcanary" in page) == (rank >= 1)
    assert ("Bulk actions" in page) == (rank >= 2)
    assert ("E-mail" in exported(browser)[0]) == (rank >= 1)
    assert (ids(browser, "q=mailcanary77") != []) == (rank >= 1)
    path = customer_link(work_list.customers[5])
    assert ("mailcanary" in browser.get(path).text) == (rank >= 1)
    assert (browser.get("/changes").status_code == 200) == (rank >= 3)
    token = browser.cookies.get("churnkit_form")
    form = {
        "token": token,
        "form_id": "1",
        "customer": work_list.customers[5],
        "note": "x",
        "by": "z",
    }
    assert (browser.post("/notes", data=form).status_code == 200) == (rank >= 1)
    form |= {"button": "assign", "owner": "bo"}
    assert (browser.post("/bulk", data=form).status_code == 200) == (rank >= 2)
    assert {change.by for change in Worklist(journal).history()} <= {"Kim"}


def test_reasons_are_split_by_direction_and_add_up_to_the_risk(work, work_list):
    browser, _ = work()
    row = int(work_list.order[0])
    page = browser.get(customer_link(work_list.customers[row])).text
    (parts,) = work_list.risk_parts(np.array([row]), top=8)
    points = [part.points for part in (*parts.raising, *parts.lowering)]
    assert all(part.points > 0 for part in parts.raising)
    assert all(part.points < 0 for part in parts.lowering)
    assert parts.start + sum(points) + parts.other == pytest.approx(parts.risk)
    assert parts.risk == pytest.approx(100 * work_list.probability[row], abs=0.05)
    raising, lowering = page.index("Raises the risk"), page.index("Lowers the risk")
    for part in parts.raising:
        assert raising < page.index(f"<span>{part.text}</span>") < lowering
    health = {part.name: part.points for part in work_list.health(row).parts}
    for part in (*parts.raising, *parts.lowering):
        assert health[part.text] == pytest.approx(-part.points, abs=0.05)


def test_a_scenario_without_changes_equals_the_plan_and_a_budget_binds(work, work_list):
    browser, journal = work()
    page = browser.get("/what-if")
    assert page.status_code == 200
    assert "\u20ac0 against today" in page.text.replace("&#39;", "'")
    rows = list(csv.DictReader(io.StringIO(browser.get("/what-if.csv").text)))
    assert [row["customer"].removeprefix("'") for row in rows] == [
        work_list.customers[row] for row in np.flatnonzero(work_list.decisions.action >= 0)
    ]
    total = sum(float(row["expected_gain"]) for row in rows)
    assert total == pytest.approx(work_list.decisions.total_gain.value)
    few = list(csv.DictReader(io.StringIO(browser.get("/what-if.csv?budget=50").text)))
    assert 0 < sum(float(row["cost"]) for row in few) <= 50.0
    risky = list(csv.DictReader(io.StringIO(browser.get("/what-if.csv?threshold=60").text)))
    names = {row["customer"].removeprefix("'") for row in risky}
    assert names
    assert all(work_list.probability[work_list.rows[name]] >= 0.6 for name in names)
    assert browser.get("/what-if?budget=lots").status_code == 400
    assert len(journal.decisions()) == 0


def test_a_snooze_leaves_the_owner_of_the_table_and_an_empty_assignment_takes_it_away(
    work_list, tmp_path
):
    from churnkit.console.query.customer_index import CustomerIndex

    customer = work_list.customers[3]
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        worklist = Worklist(journal)
        index = CustomerIndex(work_list, worklist, {}, {customer: "ann"})
        stamp = {"by": "bo", "at": NOW}
        worklist.change({customer: 0}, {"snoozed_until": "2026-11-09"}, form_id="1", **stamp)  # type: ignore[arg-type]
        index.refresh()
        assert index.owner(3) == "ann"
        worklist.change({customer: 1}, {"owner": None}, form_id="2", **stamp)  # type: ignore[arg-type]
        index.refresh()
        assert index.owner(3) == ""
        assert worklist.state(customer).is_assigned
