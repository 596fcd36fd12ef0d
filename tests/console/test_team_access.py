"""Teams as a restriction: viewers and agents see the customers of their own team, by no way others."""

from __future__ import annotations

import csv
import io
import re

import pytest

from churnkit.console import ConsoleApp
from churnkit.console.approvals import Approvals
from churnkit.console.auth import SessionAuth
from churnkit.console.customer_history import History
from churnkit.journal import Journal
from churnkit.server.auth.api_keys import add_key
from tests.console.conftest import DAY, NOW

testclient = pytest.importorskip("starlette.testclient", reason="starlette is not installed")
pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

SCOPES = {
    "viewer": ("recommend",),
    "agent": ("recommend", "outcomes"),
    "manager": ("recommend", "outcomes", "manage"),
}
# The keys are written before the console starts, which reads them again only when they change.
ROLES = {"Kim": "agent", "Lea": "viewer", "Max": "agent", "New": "agent", "Boss": "manager"}
# Owners by the number of the row, modulo 4; the last has none.
OWNERS = ("Kim", "Lea", "Max", None)


class Team:
    """A console that is restricted by team: Kim and Lea are in East, Max is in West."""

    def __init__(self, customers, model, journal, folder):
        self.keys = {
            name: add_key(folder / "keys.json", name=name, scopes=SCOPES[role])
            for name, role in ROLES.items()
        }
        names = [name for name in customers.customers if name in customers.rows]
        self.owner = {name: OWNERS[at % 4] for at, name in enumerate(names) if OWNERS[at % 4]}
        self.mine = {name for name, owner in self.owner.items() if owner in {"Kim", "Lea"}}
        self.others = set(names) - self.mine
        self.planned = [
            name for name in names if customers.decisions.action[customers.rows[name]] >= 0
        ]
        self.app = ConsoleApp(
            customers,
            Approvals(journal, customers),
            History(model, {}, DAY),
            auth=SessionAuth(folder / "keys.json"),
            clock=lambda: NOW,
            owners=self.owner,  # type: ignore[arg-type]
            by_team=True,
        )
        for person, team in (("Kim", "East"), ("Lea", "East"), ("Max", "West")):
            self.app._context.teams.assign(person, team, 0, by="ann", at=NOW, form_id=person)

    def visit(self, name):
        browser = testclient.TestClient(
            self.app.app(), base_url="http://127.0.0.1", client=("127.0.0.1", 5)
        )
        token = self.token(browser)
        browser.post("/sign-in", data={"token": token, "key": self.keys[name]})
        return browser

    @staticmethod
    def token(browser):
        return re.findall(r'name="token" value="([^"]*)"', browser.get("/").text)[0]

    def send(self, browser, action, **fields):
        hidden = {
            "token": self.token(browser),
            "form_id": str(sorted(fields.items())),
            "version": "0",
        }
        return browser.post(action, data=hidden | fields)


@pytest.fixture
def team(account_list, shop_model, tmp_path):
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        yield Team(account_list, shop_model, journal, tmp_path)


def names_of(text):
    return {row["customer"].removeprefix("'") for row in csv.DictReader(io.StringIO(text))}


def shown(page, customers):
    """Customers that a page names."""
    return {name for name in customers if name in page}


@pytest.mark.parametrize("name", ["Kim", "Lea"])
def test_the_list_the_search_and_the_export_have_the_customers_of_the_team(team, name):
    browser = team.visit(name)
    assert names_of(browser.get("/customers.csv").text) == team.mine
    for query in ("", "?owner=Max", "?team=West", "?team=*", "?owner=", "?status=open", "?account=Acme",
                  "?parent=North", "?due=today", "?changed=risk", "?sort=owner"):  # fmt: skip
        assert shown(browser.get(f"/{query}").text, team.others) == set(), query
        assert names_of(browser.get(f"/customers.csv{query}").text) <= team.mine
    for other in sorted(team.others)[:3]:
        table = browser.get(f"/?q={other}").text.split("<tbody>")[1].split("</tbody>")[0]
        assert shown(table, team.others) == set()
        assert names_of(browser.get(f"/customers.csv?q={other}").text) == set()
    known = next(iter(team.mine))
    assert names_of(browser.get(f"/customers.csv?q={known}").text) == {known}
    assert "Max" not in browser.get("/").text


def test_a_page_of_another_teams_customer_is_the_same_as_of_none(team):
    browser = team.visit("Kim")
    for name in team.mine:
        assert browser.get(f"/customers/{name}").status_code == 200
    none = browser.get("/customers/nobody")
    for name in sorted(team.others)[:5]:
        answer = browser.get(f"/customers/{name}")
        assert answer.status_code == none.status_code == 404
        assert answer.text == none.text


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("/verdicts", {"verdict": "approve", "why": "ok"}),
        ("/owner", {"owner": "Kim"}),
        ("/snooze", {"until": "2026-11-09"}),
        ("/notes", {"note": "hello"}),
        ("/tasks/add", {"title": "Call", "due": "", "owner": "Kim", "note": ""}),
    ],
)
def test_forms_change_the_customers_of_the_own_team_only(team, action, fields):
    browser = team.visit("Kim")
    other = next(name for name in team.planned if name in team.others)
    answer = team.send(browser, action, customer=other, **fields)
    assert answer.status_code == 404
    assert "Customer not found. Nothing was saved.<" in answer.text
    assert f'href="/customers/{other}"' not in answer.text
    mine = next(name for name in team.planned if name in team.mine)
    assert team.send(browser, action, customer=mine, **fields).status_code == 200
    assert team.app._context.worklist.history(other) == []


def test_tasks_of_other_teams_are_neither_shown_nor_changed(team):
    manager, browser = team.visit("Boss"), team.visit("Kim")
    for name in (min(team.mine), min(team.others)):
        fields = {"title": f"Call {name}", "due": "2026-11-05", "owner": "Kim", "note": ""}
        assert team.send(manager, "/tasks/add", customer=name, **fields).status_code == 200
    page = browser.get("/tasks").text
    assert shown(page, team.others) == set()
    assert min(team.mine) in page
    (task,) = team.app._context.tasks.list(customer=min(team.others))
    changed = team.send(browser, "/tasks/change", task=task.key, status="done", version="1")
    assert changed.status_code == 404
    (mine,) = team.app._context.tasks.list(customer=min(team.mine))
    changed = team.send(browser, "/tasks/change", task=mine.key, status="done", version="1")
    assert changed.status_code == 200


@pytest.mark.parametrize("path", ["/what-if", "/what-if.csv"])
def test_the_plan_of_all_teams_is_for_managers(team, path):
    browser = team.visit("Kim")
    refused = browser.get(path)
    assert refused.status_code == 403
    assert "all teams, which share budget and capacities" in refused.text
    assert 'href="/what-if"' not in browser.get("/").text
    assert team.visit("Boss").get(path).status_code == 200


def account_figures(customers, rows):
    """Users, risk and at-risk revenue of some rows, computed one by one."""
    value = [float(customers.value[row]) for row in rows]
    risk = [float(customers.probability[row]) for row in rows]
    weighted = sum(v * p for v, p in zip(value, risk, strict=True)) / sum(value)
    at_risk = sum(float(customers.at_risk[row]) for row in rows)
    return f"{len(rows)}", f"{100 * weighted:.1f}%", f"€{round(at_risk):,}"


def cells(page, name):
    (line,) = [r for r in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if f">{name}</a>" in r]
    return re.findall(r'<td class="number"[^>]*>([^<]*)', line)


@pytest.mark.parametrize(
    ("path", "column", "name"),
    [("/accounts", "company", "Acme"), ("/accounts?by=parent", "holding", "North")],
)
def test_accounts_have_the_figures_of_the_own_team(team, account_list, path, column, name):
    browser, boss = team.visit("Kim"), team.visit("Boss")
    names = account_list.table[column].to_pylist()
    for visitor, visible in ((browser, team.mine), (boss, team.mine | team.others)):
        rows = [
            row for one, row in account_list.rows.items() if one in visible and names[row] == name
        ]
        users, risk, at_risk = account_figures(account_list, rows)
        found = cells(visitor.get(path).text, name)
        assert found[0] == users
        assert found[1] == risk
        assert at_risk in found
    page = browser.get(f"/accounts/{'parent' if column == 'holding' else 'account'}/{name}").text
    assert shown(page, team.others) == set()
    assert shown(page, team.mine)
    assert "Customers of your team only." in page
    assert "Customers of your team only." not in boss.get(path).text


def test_an_account_of_another_team_is_the_same_as_none(team, account_list):
    names = account_list.table["company"].to_pylist()
    mine = {names[account_list.rows[name]] for name in team.mine}
    manager, browser = team.visit("Boss"), team.visit("Kim")
    # Acme's customers of the own team get another owner, so that none is left.
    assert "Acme" in mine
    for name in team.mine:
        if names[account_list.rows[name]] == "Acme":
            assert team.send(manager, "/owner", customer=name, owner="Max").status_code == 200
    assert ">Acme<" not in browser.get("/accounts").text
    assert ">Acme<" not in browser.get("/accounts?q=acme").text
    answer, none = (browser.get(f"/accounts/account/{name}") for name in ("Acme", "Nobody"))
    assert answer.status_code == none.status_code == 404
    assert answer.text == none.text
    assert ">Acme<" in manager.get("/accounts").text


def test_the_report_has_the_customers_of_the_own_team(team, account_list):
    import pyarrow as pa

    from churnkit.report import build_report

    mask = pa.array([name in team.mine for name in account_list.customers])
    direct = build_report(
        model=account_list.model, customers=account_list.table.filter(mask), day=DAY
    )
    page = team.visit("Kim").get("/report").text.replace("&#39;", "'")
    assert direct.sections[0].lead in page
    assert "Customers of your team only." in page
    assert direct.sections[0].lead not in team.visit("Boss").get("/report").text.replace(
        "&#39;", "'"
    )
    assert team.visit("New").get("/report").status_code == 400
    assert "0 customers match; a report needs at least 5" in team.visit("New").get("/report").text


def test_a_report_of_a_team_follows_its_customers(team):
    manager, browser = team.visit("Boss"), team.visit("Kim")
    before = browser.get("/report").text
    assert browser.get("/report").text == before
    name = min(team.others)
    assert team.send(manager, "/owner", customer=name, owner="Lea").status_code == 200
    assert browser.get("/report").text != before


def test_bulk_actions_and_teams_are_for_managers(team):
    browser = team.visit("Kim")
    assert (
        team.send(browser, "/bulk", button="reopen", apply_to="first", count="9").status_code == 403
    )
    assert team.send(browser, "/teams", person="Kim", team="West").status_code == 403
    assert browser.get("/changes").status_code == 403


NAVIGATION = ('action="/language"', 'action="/sign-out"', 'href="/teams"', 'href="/tasks"')


@pytest.mark.parametrize(
    "path",
    ["/customers/nobody", "/nowhere", "/what-if", "/changes", "/push", "/?sort=foo", "/report?f.plan=zzz"],
)  # fmt: skip
def test_error_pages_have_the_navigation_of_their_visitor(team, path):
    answer = team.visit("Kim").get(path)
    assert answer.status_code in {400, 403, 404}
    for part in (*NAVIGATION, "My customers", "My team"):
        assert part in answer.text, part
    assert 'href="/what-if"' not in answer.text


def test_refused_forms_have_the_navigation_and_a_link_back(team):
    browser, boss = team.visit("Kim"), team.visit("Boss")
    customer = next(name for name in team.planned if name in team.mine)
    answer = team.send(browser, "/snooze", customer=customer, until="2020-01-01")
    assert answer.status_code == 400
    assert all(part in answer.text for part in (*NAVIGATION, "2020-01-01", "My team"))
    assert f'<a href="/customers/{customer}">' in answer.text
    assert f'name="page" value="/customers/{customer}"' in answer.text
    assert 'href="/what-if"' in team.send(boss, "/teams", person=" ", team="East").text
    answer = team.send(browser, "/teams", person="Kim", team="West")
    assert answer.status_code == 403
    assert all(part in answer.text for part in NAVIGATION)
    for action, fields, link in (
        ("/teams", {"person": " ", "team": "East"}, "/teams"),
        ("/tasks/change", {"task": "none", "status": "done", "next": "tasks"}, "/tasks"),
        ("/bulk", {"button": "approve", "apply_to": "selected", "query": "sort=risk"}, "/?sort=risk"),
    ):  # fmt: skip
        page = team.send(boss, action, **fields).text
        assert f'<p class="lead"><a href="{link}">' in page


def test_a_refused_scenario_keeps_what_was_typed(team):
    browser = team.visit("Boss")
    for query in ("budget=abc&capacity=80&typed=de", "budget=abc&capacity=80"):
        answer = browser.get(f"/what-if?{query}")
        assert answer.status_code == 400
        assert "“Budget” must be a number, at least 0" in answer.text
        assert re.search(r'name="budget"[^>]* value="abc"', answer.text)
        assert re.search(r'name="capacity"[^>]* value="80"', answer.text)
        assert all(part in answer.text for part in (*NAVIGATION, 'href="/what-if"'))
        assert "/what-if.csv" not in answer.text


def test_a_restricted_visitor_sees_no_names_of_other_teams(team):
    for name in ("Kim", "Lea"):
        browser = team.visit(name)
        for path in ("/teams", "/", "/tasks"):
            page = browser.get(path).text
            assert "Max" not in page, path
            assert "West" not in page, path
        page = browser.get("/teams").text
        assert "Kim" in page
        assert "Lea" in page
        assert "East" in page
    assert "Max" not in team.visit("New").get("/teams").text
    page = team.visit("Boss").get("/teams").text
    assert all(text in page for text in ("Kim", "Lea", "Max", "East", "West"))


def test_managers_see_all_and_people_without_a_team_see_their_own(team):
    everyone = team.mine | team.others
    assert names_of(team.visit("Boss").get("/customers.csv").text) == everyone
    west = {name for name, owner in team.owner.items() if owner == "Max"}
    assert names_of(team.visit("Max").get("/customers.csv").text) == west
    assert names_of(team.visit("New").get("/customers.csv").text) == set()


def test_an_assignment_changes_at_once_what_a_team_sees(team):
    manager, browser = team.visit("Boss"), team.visit("Kim")
    name = min(team.others)
    assert browser.get(f"/customers/{name}").status_code == 404
    assert team.send(manager, "/owner", customer=name, owner="Lea").status_code == 200
    assert browser.get(f"/customers/{name}").status_code == 200
    assert names_of(browser.get("/customers.csv").text) == team.mine | {name}


def test_without_the_setting_agents_see_all(work, account_list, tmp_path):
    key = add_key(tmp_path / "k.json", name="Kim", scopes=SCOPES["agent"])
    browser, _journal = work(keys=tmp_path / "k.json", key=key, customers=account_list)
    assert names_of(browser.get("/customers.csv").text) == set(account_list.rows)
