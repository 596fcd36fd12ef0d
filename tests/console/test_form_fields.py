"""Every form of the console, as its pages have it: forged, and with hostile texts in each field."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from itertools import count
from random import Random

import pytest

from churnkit.connect import Link
from churnkit.console.auth import NAME_COOKIE
from churnkit.console.delivery.push_run import ApprovedPush
from churnkit.console.pages.context import customer_link
from churnkit.journal.worklist.worklist import Worklist
from churnkit.server.auth.api_keys import add_key
from tests.connect.servers.sample import WallClock
from tests.console.test_push import NOW, Crm

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

ENTRIES = {"date": "2026-11-09", "number": "1", "text": "ok"}
# Fields that a person fills with any text.
FREE_TEXT = {"text", "textarea"}
FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def hostile(name):
    """A formula that also ends an attribute and begins an element, with the field's name."""
    return f"=1\"'><img src=c-{name}>"


@dataclass
class Field:
    name: str
    kind: str
    value: str


@dataclass
class Form:
    action: str
    method: str
    label: str
    fields: list[Field] = field(default_factory=list)
    buttons: list[Field] = field(default_factory=list)

    def entries(self):
        """Values as a person sends them: those of the page, and something in empty fields."""
        return {f.name: f.value or ENTRIES.get(f.kind, "") for f in self.fields}


class FormReader(HTMLParser):
    """Collect the forms of a page, and what became an element or its attribute."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.by_id, self.elements, self.shown = [], {}, [], ""
        self._form, self._select = None, None
        self.feed(text)

    def handle_starttag(self, tag, pairs):
        attributes = dict(pairs)
        self.elements.append((tag, attributes))
        self.shown += " ".join(value or "" for value in attributes.values())
        if tag == "form":
            self._form = Form(
                attributes["action"],
                attributes.get("method", "get"),
                attributes.get("aria-label", ""),
            )
            self.forms.append(self._form)
            self.by_id[attributes.get("id")] = self._form
        elif tag == "option" and self._select is not None:
            self._select.value = attributes["value"]  # the last, such as the first of a list
        elif tag in {"input", "select", "textarea", "button"}:
            self._add(tag, attributes)

    def _add(self, tag, attributes):
        owner = self.by_id.get(attributes["form"]) if "form" in attributes else self._form
        if owner is None or "name" not in attributes:
            return
        kind = "number" if "inputmode" in attributes else attributes.get("type", "text")
        kind = kind if tag == "input" else tag
        part = Field(attributes["name"], kind, attributes.get("value", ""))
        (owner.buttons if tag == "button" else owner.fields).append(part)
        self._select = part if tag == "select" else None

    def handle_endtag(self, tag):
        self._form = None if tag == "form" else self._form

    def handle_data(self, data):
        self.shown += data


def refuse_injected(answer):
    """Check that no hostile text became an element or a formula."""
    assert answer.status_code < 500, answer.url
    if answer.headers["content-type"].startswith("text/csv"):
        cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
        assert not [c for c in cells if c.startswith(FORMULAS) and not is_number(c)], answer.url
        return answer.text
    page = FormReader(answer.text)
    assert not [e for e in page.elements if e[0] in {"img", "script"}], answer.url
    return page.shown


def is_number(text):
    try:
        return float(text) is not None
    except ValueError:
        return False


@pytest.fixture
def desk(work, account_list, send_form):
    """A console in use, its pages, and its journal."""
    destination = Crm()

    def push(customers, approvals):
        link = Link(None, WallClock(), Random(0))  # type: ignore[arg-type]  # noqa: S311
        return ApprovedPush("crm", destination, customers=customers, approvals=approvals, link=link)

    # The latest of two verdicts is that of a later time.
    seconds = count()
    browser, journal = work(
        customers=account_list, push=push, clock=lambda: NOW + timedelta(seconds=next(seconds))
    )
    acted = [n for n, action in enumerate(account_list.decisions.action.tolist()) if action >= 0]
    first, second, third = (customer_link(account_list.customers[n]) for n in acted[:3])
    send_form(browser, first, "/verdicts", by="ann", why="agreed", verdict="approve")
    send_form(browser, second, "/snooze", by="ann", until="2026-11-09")
    send_form(browser, third, "/owner", by="ann", owner="bo")
    browser.cookies.delete(NAME_COOKIE)
    assert third not in {first, second}
    pages = (
        *("/", first, second, third, "/accounts", "/accounts/account/Acme", "/tasks"),
        *("/teams", "/what-if", "/report", "/push", "/changes"),
    )
    return browser, pages, journal


@pytest.fixture
def key_desk(work, tmp_path):
    """A console with keys: its pages for visitors who have signed in, and who have not."""
    keys = tmp_path / "keys.json"
    key = add_key(keys, name="Bo", scopes=("recommend", "outcomes", "manage", "admin"))
    return work(keys, key)[0], work(keys)[0]


def collect(browser, pages):
    return [(path, form) for path in pages for form in FormReader(browser.get(path).text).forms]


def find(browser, path, form):
    """Return a form as it is now; as it was if the page has it no longer."""
    forms = FormReader(browser.get(path).text).forms
    same = (f for f in forms if (f.action, f.label) == (form.action, form.label))
    return next(same, form)


def fill(form, button, names, number):
    """Entries of a form with hostile texts in some fields, sent with a button."""
    entries = form.entries() | {button.name: button.value} | {name: hostile(name) for name in names}
    return entries if "form_id" in names else entries | {"form_id": f"form {number}"}


def hostile_entries(browser, path, form, numbers):
    """Entries with all texts of a person at once, by button, and with each other field."""
    buttons = form.buttons or [Field("", "button", "")]
    texts = [part.name for part in form.fields if part.kind in FREE_TEXT]
    for button in buttons if texts else ():
        yield fill(find(browser, path, form), button, texts, next(numbers))
    for part in form.fields:
        if part.kind not in FREE_TEXT:
            yield fill(form, buttons[0], [part.name], next(numbers))


def records(journal):
    return len(journal.decisions()), len(Worklist(journal).history())


def test_the_forms_are_those_of_all_routes_and_a_forged_one_changes_nothing(desk, key_desk):
    browser, pages, journal = desk
    forms = [(browser, *part) for part in collect(browser, pages)]
    for other in key_desk:
        forms += [(other, *part) for part in collect(other, ("/",))]
    posted = [part for part in forms if part[2].method == "post"]
    routes = {route.path for route in browser.app.routes if "POST" in (route.methods or ())}
    assert {form.action for _, _, form in posted} == routes
    before = records(journal)
    for visitor, path, form in posted:
        entries = form.entries() | {b.name: b.value for b in form.buttons[:1]}
        assert "token" in entries, (path, form.action)
        for token in ("forged", ""):
            answer = visitor.post(form.action, data=entries | {"token": token})
            assert answer.status_code == 403, (path, form.action)
        origin = {"origin": "http://evil.example"}
        assert visitor.post(form.action, data=entries, headers=origin).status_code == 403
        without = {name: value for name, value in entries.items() if name != "token"}
        assert visitor.post(form.action, data=without).status_code == 403
    assert records(journal) == before


def test_no_text_of_any_field_becomes_markup_or_a_formula(desk, key_desk):
    browser, pages, _ = desk
    forms = [(browser, *part) for part in collect(browser, pages)]
    forms.append((key_desk[1], *collect(key_desk[1], ("/",))[0]))
    numbers, written, done, shown = count(), set(), set(), ""
    for visitor, path, form in forms:
        kind = form.action, form.label, *(part.name for part in form.fields)
        if kind in done:
            continue
        done.add(kind)
        send = {"post": "data", "get": "params"}[form.method]
        for entries in hostile_entries(visitor, path, form, numbers):
            visitor.cookies.delete(NAME_COOKIE)
            answer = getattr(visitor, form.method)(form.action, **{send: entries})
            shown += refuse_injected(answer)
        if form.method == "post":
            written |= {f.name for f in form.fields if f.kind in FREE_TEXT}
    browser.cookies.delete(NAME_COOKIE)
    for path in (*pages, "/tasks?status=done", "/customers.csv", "/what-if.csv"):
        shown += refuse_injected(browser.get(path))
    assert written >= {"by", "why", "note", "title", "owner", "view", "team", "person"}
    assert [name for name in sorted(written) if hostile(name)[1:] not in shown] == []
