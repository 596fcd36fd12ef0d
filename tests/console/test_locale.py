"""Locale of the console: every text from the catalog, numbers and dates by language."""

from __future__ import annotations

import ast
import csv
import io
import math
import re
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import churnkit
from churnkit.console import ConsoleApp, read_customer_list
from churnkit.console.approvals import Approvals
from churnkit.console.auth import SessionAuth
from churnkit.console.customer_history import History
from churnkit.console.delivery.push_page import DELIVERY_LABELS
from churnkit.console.delivery.push_run import PushState
from churnkit.console.query.list_query import ListQuery
from churnkit.console.query.request_locale import visitor_locale
from churnkit.console.templates import Pages
from churnkit.core.translation import find_locale, use_locale
from churnkit.journal import Journal
from churnkit.journal.worklist.playbooks import describe_note
from tests.pseudo_locale import PSEUDO_LOCALE, outside_brackets, outside_catalog

pytest.importorskip("babel", reason="the extra 'report' is not installed")
testclient = pytest.importorskip("starlette.testclient", reason="starlette is not installed")

DAY = date(2026, 11, 5)
# Texts of the schema, its catalogue, the tables and the people.
WORDS = {
    *("Customer for", "Plan", "City", "Monthly revenue", "E-mail", "Company", "Holding", "A call"),
    *("Write an e-mail", "Call", "basic", "plus", "pro", "plan", "Bern", "Oslo", "month", "months"),
    *("a month", "EUR", "churnkit", "Ann", "Ben", "North", "Acme", "Visit", "by train"),
    *("Deutsch", "English"),
}
PAGES = ["/", "/accounts", "/accounts?by=parent", "/accounts/account/Acme", "/accounts/parent/North",
         "/tasks", "/tasks?status=done", "/teams", "/what-if?budget=100", "/changes", "/nowhere",
         "/accounts/account/none", "/customers/none", "/push", "/?risk_min=x", "/?at_risk_max=x",
         "/?status=reject", "/what-if?budget=x", "/what-if?effect=-1", "/?typed=yes&value_min=x"]  # fmt: skip


# Reasons why an approved action is not sent, and their German texts.
SKIPPED = {
    "erased": "gelöscht", "not approved": "nicht freigegeben", "rejected": "abgelehnt", "snoozed": "zurückgestellt",
    "no decision in the journal": "keine Entscheidung im Journal", "contact limit reached": "Kontaktlimit erreicht",
    "held out": "Kontrollgruppe", "decided without an action": "ohne Maßnahme entschieden",
    "another action in the journal": "andere Maßnahme im Journal",
}  # fmt: skip


class SkippingPush:
    """A push that leaves out an approved action for each reason."""

    name = "crm"

    def wait(self, seconds):
        """Return at once: nothing is being sent."""

    def state(self, _verdicts):
        counts = dict.fromkeys(DELIVERY_LABELS, 1)
        return PushState(counts, 1, dict.fromkeys(SKIPPED, 1234), is_running=False, error="")


def open_console(locale, shop_model, customers_of_shop, folder, journal):
    rows = customers_of_shop(60, seed=5)
    for row in rows:
        row |= {"customer_id": row["customer_id"].removeprefix("idcanary"), "email": "1@2.3"}
        row |= {"company": "Acme", "holding": "North"}
    tickets = pa.table({"customer_id": [rows[0]["customer_id"]], "opened_at": [date(2026, 11, 1)],
                        "topic": ["Visit"]})  # fmt: skip
    pq.write_table(tickets, folder / "tickets.parquet")
    with use_locale(locale):
        customers = read_customer_list(shop_model, pa.Table.from_pylist(rows), day=DAY)
        console = ConsoleApp(
            customers,
            Approvals(journal, customers),
            History(shop_model, {"tickets": folder / "tickets.parquet"}, DAY),
            auth=SessionAuth(None),
            clock=lambda: datetime(2026, 11, 5, 9, tzinfo=UTC),
            owners={rows[1]["customer_id"]: "Ben"},
            push=SkippingPush(),  # type: ignore[arg-type]
        )
    browser = testclient.TestClient(
        console.app(), base_url="http://127.0.0.1", client=("127.0.0.1", 5)
    )
    return browser, customers


@pytest.fixture(scope="module", params=["pseudo", "de"])
def consoles(request, shop_model, customers_of_shop, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    locale = PSEUDO_LOCALE if request.param == "pseudo" else "de"
    with Journal.open(f"sqlite:///{folder / 'journal.db'}") as journal:
        yield request.param, *open_console(locale, shop_model, customers_of_shop, folder, journal)


def send(browser, path, action, **fields):
    (form,) = re.findall(
        rf'<form[^>]* action="{re.escape(action)}".*?</form>', browser.get(path).text, re.DOTALL
    )[:1]
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    return browser.post(action, data={k: unescape(v) for k, v in hidden} | {"by": "Ann"} | fields)


@pytest.fixture(scope="module")
def pages(consoles):
    """Pages by address, after some work of a day."""
    name, browser, customers = consoles
    planned = next(
        c for row, c in enumerate(customers.customers) if customers.decisions.action[row] >= 0
    )
    page = f"/customers/{planned}"
    texts = {
        "bulk": send(browser, "/", "/bulk", button="approve", apply_to="first", count="3", why="Visit"),
        "assign": send(browser, "/", "/bulk", button="assign", apply_to="first", count="1", owner="Ben"),
        "snooze many": send(browser, "/", "/bulk", button="snooze", apply_to="first", count="2", until="2026-11-09"),
        "reopen many": send(browser, "/", "/bulk", button="reopen", apply_to="first", count="2"),
        "no customer": send(browser, "/", "/bulk", button="approve", apply_to="selected", why="Visit"),
        "refused": send(browser, page, "/snooze", until="2020-01-01"),
        "task": send(browser, page, "/tasks/add", title="Call", due="2026-11-05", owner="Ann", note="by train"),
        "note": send(browser, page, "/notes", note="Visit"),
        "snooze": send(browser, page, "/snooze", until="2026-11-09"),
        "owner": send(browser, page, "/owner", owner="Ben"),
        "no date": send(browser, page, "/snooze", until="Call"),
        "no due date": send(browser, page, "/tasks/add", title="Call", due="Call", owner="Ann", note=""),
        "no title": send(browser, page, "/tasks/add", title=" ", due="", owner="Ann", note=""),
        "long details": send(browser, page, "/tasks/add", title="Call", due="", owner="Ann", note=2001 * "7"),
        "long reason": send(browser, page, "/verdicts", verdict="approve", why=501 * "7"),
        "long owner": send(browser, page, "/owner", owner=61 * "7"),
        "no note": send(browser, page, "/notes", note=" "),
        "no name": send(browser, page, "/notes", note="Call", by=""),
        "no task": send(browser, "/tasks", "/tasks/change", task="none", status="done"),
        "old task": send(browser, "/tasks", "/tasks/change", version="7", status="done"),
        "no view": send(browser, "/", "/views", view="", query=""),
        "no person": send(browser, "/teams", "/teams", person=" ", team="North"),
        "approved": send(browser, page, "/verdicts", verdict="approve", why="Visit"),
    }  # fmt: skip
    texts |= {path: browser.get(path) for path in (*PAGES, page)}
    for row in (0, 1):
        texts[f"customer {row}"] = browser.get(f"/customers/{customers.customers[row]}")
    return name, {path: answer.text for path, answer in texts.items()}


def test_every_text_of_the_console_is_from_the_catalog(pages):
    name, texts = pages
    if name == "pseudo":
        bypassing = {path: outside_catalog(page, WORDS) for path, page in texts.items()}
        assert {path: found for path, found in bypassing.items() if found} == {}
    else:
        assert all('<html lang="de">' in page for page in texts.values())


def test_refused_fields_are_named_as_on_the_page(pages):
    name, texts = pages
    if name == "de":
        for path, message in {
            "no date": "„Zurückstellen bis“ muss ein Datum in der Form JJJJ-MM-TT sein. Nichts wurde gespeichert.",
            "no due date": "„Fällig“ muss ein Datum in der Form JJJJ-MM-TT sein",
            "no title": "„Aufgabe“ ist erforderlich",
            "long details": "„Einzelheiten“ darf höchstens 2.000 Zeichen haben, hier sind es 2.001",
            "refused": "„Zurückstellen bis“ muss ein Tag nach heute sein",
            "old task": "Ann hat diese Aufgabe geändert, seit die Seite geladen wurde",
            "/what-if?effect=-1": "„Angenommene Wirkungen, % von heute“ muss eine Zahl von 0 bis 1.000 sein",
            "/?at_risk_max=x": "muss eine Zahl sein, etwa 1000",
        }.items():
            assert message in texts[path], path


def test_a_day_is_read_as_it_is_written(consoles):
    name, browser, customers = consoles
    if name == "de":
        page = f"/customers/{customers.customers[5]}"
        for until in ("9.11.2026", "2026-11-10", " 11.11.2026 "):
            assert send(browser, page, "/snooze", until=until).status_code == 200, until
        assert "11.11.2026" in browser.get(page).text
        for until in ("31.11.2026", "11/12/2026", "12.11.26", "12.11.2026 9", "31.12.9999"):
            answer = send(browser, page, "/snooze", until=until)
            assert answer.status_code == 400, until
            assert until in answer.text
        assert "darf nicht nach dem 04.11.2028 liegen" in answer.text
        due = send(browser, page, "/tasks/add", title="Call", due="12.11.2026", owner="", note="")
        assert "12.11.2026" in due.text
        assert send(browser, page, "/snooze", reopen="yes").status_code == 200


def test_notes_of_playbooks_are_kept_in_english_and_shown_in_the_language(consoles, pages):
    name, browser, _customers = consoles
    if name == "de":
        page = browser.get("/tasks").text
        assert "A call: Schritt 1 von 2" in page
        assert "A call: Schritt 2 von 2, falls der Kunde nicht geantwortet hat" in page
        assert "step 1 of 2" not in page


def test_a_note_of_a_person_stays_as_it_is():
    with use_locale("de"):
        assert describe_note("step by step") == "step by step"
        assert describe_note("Call: step 2 of 3") == "Call: Schritt 2 von 3"


# Errors of settings, which the command prints before it serves, and of calls.
NOT_SHOWN = {
    "settings.py": None, "customer_list.py": None, "worklist.py": "unknown field", "tasks.py": "status must be",
}  # fmt: skip


def test_every_error_that_a_page_can_show_is_translated():
    root = Path(churnkit.__file__).parent
    left = []
    for path in (*root.glob("console/**/*.py"), *root.glob("journal/worklist/*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                if ast.unparse(node.exc.func) == "MissingExtraError":
                    continue
                text = node.exc.args[0]
                is_plain = isinstance(text, (ast.Constant, ast.JoinedStr))
                known = NOT_SHOWN.get(path.name, "")
                if is_plain and known is not None and not (known and known in ast.unparse(text)):
                    left.append((path.name, ast.unparse(text)))
    assert left == []


def test_numbers_and_dates_of_the_console_follow_the_locale(pages):
    name, texts = pages
    pattern = (
        r"\d[.,]\d|\d%" if name == "pseudo" else r"\d\.\d(?!\d\d)(?!\d\.\d{4})|\d%|20\d\d-\d\d-"
    )
    for path, page in texts.items():
        if path != "/":
            rests = outside_brackets(page)
            assert [t for t in rests if re.search(pattern, t.replace("1@2.3", ""))] == [], path


def submit(browser, path, **fields):
    """Send a form whose method is GET; return the address it leads to, and its page."""
    (form,) = re.findall(
        rf'<form[^>]*action="{path}".*?</form>', browser.get(path).text, re.DOTALL
    )[:1]
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    answer = browser.get(path, params=hidden | fields)
    return str(answer.url).removeprefix("http://127.0.0.1"), answer


def test_numbers_are_read_as_they_are_written_in_german(consoles):
    name, browser, _customers = consoles
    if name == "de":
        address, answer = submit(browser, "/what-if", budget="1.234.567,5", effect="")
        assert address == "/what-if?budget=1234567.5"
        assert 'name="budget" inputmode="decimal" maxlength="20" value="1234567,5"' in answer.text
        assert "/what-if.csv?budget=1234567.5" in answer.text
        address, answer = submit(browser, "/", risk_min="12,5", value_min="1.234.567", owner="")
        assert address == "/?owner=&risk_min=12.5&value_min=1234567"
        assert 'value="12,5"' in answer.text
        assert 'value="1234567"' in answer.text
        assert browser.get("/?risk_min=12.5").text.count('value="12,5"') == 1
        for refused in ("/?typed=yes&risk_min=12;5", "/?risk_min=12,5", "/what-if?budget=1.234,5"):
            assert browser.get(refused).status_code == 400


def test_a_view_that_was_saved_in_german_means_the_same_in_english(consoles):
    name, browser, _customers = consoles
    if name == "de":
        _address, answer = submit(browser, "/", value_max="1.234.567", risk_min="0,5")
        query = re.findall(r'name="query" value="([^"]*)"', answer.text)[-1]
        send(browser, "/", "/views", view="Plan", query=unescape(query))
        assert '<a href="/?risk_min=0.5&amp;value_max=1234567">Plan</a>' in browser.get("/").text
        with use_locale("en"):
            ranges = ListQuery.parse_string("risk_min=0.5&value_max=1234567", ()).ranges
        assert ranges == {"risk": (0.005, math.inf), "value": (-math.inf, 1234567.0)}


def test_reasons_of_actions_that_are_not_sent_are_in_german(pages):
    name, texts = pages
    if name == "de":
        left_out = re.findall(r"<li>1\.234 ausgelassen: ([^<]*)</li>", texts["/push"])
        assert left_out == list(SKIPPED.values())


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (400, "Ungültige Anfrage (400)"), (401, "Nicht angemeldet (401)"), (413, "Inhalt zu groß (413)"),
        (418, "Ungültige Anfrage (418)"), (422, "Inhalt nicht verarbeitbar (422)"), (429, "Zu viele Anfragen (429)"),
        (502, "Ungültige Antwort eines anderen Dienstes (502)"), (503, "Dienst nicht verfügbar (503)"),
    ],
)  # fmt: skip
def test_titles_of_error_pages_are_in_german(status, title):
    with use_locale("de"):
        answer = Pages().error(status, "")
    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in answer.body.decode()  # type: ignore[union-attr]


@pytest.mark.parametrize("address", ["/snooze", "/bulk"])
def test_the_journal_has_the_reason_of_a_snooze_in_english(
    shop_model, customers_of_shop, tmp_path, address
):
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        browser, customers = open_console("de", shop_model, customers_of_shop, tmp_path, journal)
        action = customers.decisions.action
        planned = next(c for row, c in enumerate(customers.customers) if action[row] >= 0)
        page = f"/customers/{planned}"
        if address == "/snooze":
            send(browser, page, address, until="2026-12-07")
        else:
            send(
                browser,
                "/",
                address,
                button="snooze",
                apply_to="selected",
                customer=planned,
                until="2026-12-07",
            )
        (row,) = journal.decisions(verdict="snooze").to_pylist()
        assert row["why"] == "snoozed until 2026-12-07"
        text = browser.get(page).text
        assert "Ann: zurückgestellt bis 07.12.2026" in text
        assert "snoozed until" not in text


def test_the_report_of_the_console_is_in_its_language(consoles):
    name, browser, _customers = consoles
    if name == "de":
        page = browser.get("/report").text
        assert "Bericht zur Kundenbindung" in page
        assert "Filter anwenden" in page


def test_the_list_as_csv_has_iso_dates_and_english_words(consoles, pages):
    _, browser, _ = consoles
    rows = list(csv.DictReader(io.StringIO(browser.get("/customers.csv").text)))
    assert {row["snoozed_until"] for row in rows} == {"", "2026-11-09"}
    assert {re.match(r"raises: |lowers: |$", row["reasons"]) is None for row in rows} == {False}


@pytest.fixture(scope="module")
def console_of_all(shop_model, customers_of_shop, tmp_path_factory):
    """A console in English, for visitors of any language."""
    folder = tmp_path_factory.mktemp("all")
    with Journal.open(f"sqlite:///{folder / 'journal.db'}") as journal:
        yield open_console("en", shop_model, customers_of_shop, folder, journal)[0].app


@pytest.fixture
def visitor(console_of_all):
    """Function that opens a browser with preferred languages."""

    def visitor(accept=None):
        headers = {} if accept is None else {"accept-language": accept}
        return testclient.TestClient(
            console_of_all, base_url="http://127.0.0.1", client=("127.0.0.1", 5), headers=headers
        )

    return visitor


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        (None, "en"), ("", "en"), ("de", "de"), ("de-CH", "de"), ("DE-at;q=0.9", "de"), ("fr, de;q=0.8, en;q=0.7", "de"),
        ("fr, en;q=0.8, de;q=0.7", "en"), ("en-US,en;q=0.9,de;q=0.8", "en"), ("de;q=0, en", "en"), ("fr", "en"),
        ("*", "en"), ("de;q=2, fr", "en"), ("../de", "en"), ("de" * 5_000, "en"), (";;,,q=1", "en"),
    ],
)  # fmt: skip
def test_a_visitor_has_the_language_that_the_browser_prefers(visitor, accept, language):
    page = visitor(accept).get("/").text
    assert f'<html lang="{language}">' in page
    assert ("Kunden" in page) == (language == "de")


@pytest.mark.parametrize(
    ("accept", "default", "code"),
    [
        ("de", "de_CH", "de_CH"), ("de-DE", "de_CH", "de_CH"), ("fr", "de_CH", "de_CH"), ("en", "de_CH", "en"),
        ("en-US", "en_GB", "en_GB"), ("de-CH", "en_GB", "de"),
    ],
)  # fmt: skip
def test_the_locale_of_the_console_is_that_of_its_language(accept, default, code):
    from starlette.requests import Request

    request = Request({"type": "http", "headers": [(b"accept-language", accept.encode())]})
    assert visitor_locale(request, find_locale(default)).code == code


def choose(browser, language, page="/"):
    token = re.findall(r'name="token" value="([^"]*)"', browser.get("/").text)[0]
    fields = {"token": token, "language": language, "page": page}
    return browser.post("/language", data=fields, follow_redirects=False)


def test_a_choice_of_language_stays_and_counts_for_its_visitor_alone(visitor):
    browser, other = visitor("en"), visitor("en")
    address = "/?q=%C3%A4&status=open"
    form = re.findall(r'<form[^>]* action="/language".*?</form>', browser.get(address).text)[0]
    assert '<button name="language" value="de" lang="de">Deutsch</button>' in form
    page = unescape(re.findall(r'name="page" value="([^"]*)"', form)[0])
    answer = choose(browser, "de", page)
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    assert "Max-Age=31536000" in answer.headers["set-cookie"]
    for path in ("/", "/tasks", "/what-if", "/nowhere", "/report"):
        assert '<html lang="de">' in browser.get(path).text, path
        assert '<html lang="en">' in other.get(path).text, path
    assert '<html lang="en">' in visitor("de").get("/", headers={"accept-language": "en"}).text
    choose(browser, "en")
    assert '<html lang="en">' in browser.get("/").text


@pytest.mark.parametrize("language", ["fr", "xx", "", "../de", "de_CH"])
def test_a_language_without_texts_is_not_chosen(visitor, language):
    browser = visitor("de")
    assert "set-cookie" not in choose(browser, language).headers
    assert '<html lang="de">' in browser.get("/").text


@pytest.mark.parametrize(
    "page",
    ["https://example.org", "//example.org", "/\\example.org", "", "x", "/a\r\nb: c", "/ /x"],
)
def test_a_choice_of_language_leads_to_no_other_site(visitor, page):
    assert choose(visitor(), "de", page).headers["location"] == "/"


def test_a_choice_of_language_from_another_site_is_refused(visitor):
    browser = visitor()
    browser.get("/")
    assert browser.post("/language", data={"language": "de"}).status_code == 403
    assert '<html lang="en">' in browser.get("/").text


def test_figures_and_horizons_of_two_visitors_follow_their_languages(visitor):
    english, german = visitor("en").get("/").text, visitor("de").get("/").text
    assert "At-risk revenue over 12 months" in english
    assert "Gefährdeter Umsatz über 12 Monate" in german
    assert "12 Monate" not in english
    assert "12 months" not in german
    assert re.search(r"€\d,\d{3}|€\d+\.\d|€\d", english)
    assert re.search(r"\d\s€", german)


def test_a_number_is_read_in_the_language_of_its_page(visitor):
    browser = visitor("en")
    query = {"typed": "en", "value_min": "1.234"}
    assert str(browser.get("/", params=query).url).endswith("/?value_min=1.234")
    choose(browser, "de")
    assert str(browser.get("/", params=query).url).endswith("/?value_min=1.234")
    query["typed"] = "de"
    assert str(browser.get("/", params=query).url).endswith("/?value_min=1234")


def test_an_unexpected_error_is_in_the_language_of_the_visitor(console_of_all, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr("churnkit.console.auth.SessionAuth.visitor", fail)
    browser = testclient.TestClient(
        console_of_all, base_url="http://127.0.0.1", client=("127.0.0.1", 5),
        headers={"accept-language": "de"}, raise_server_exceptions=False,
    )  # fmt: skip
    answer = browser.get("/")
    assert answer.status_code == 500
    assert '<html lang="de">' in answer.text
