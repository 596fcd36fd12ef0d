"""The console over HTTP: numbers, escaping, approvals, forged forms and API keys."""

from __future__ import annotations

import csv
import io
import re
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")
testclient = pytest.importorskip("starlette.testclient", reason="starlette is not installed")

from churnkit.batch.jobs.decide import DecisionPeriod, decide_period  # noqa: E402
from churnkit.console import ConsoleApp, read_customer_list  # noqa: E402
from churnkit.console.approvals import Approvals  # noqa: E402
from churnkit.console.auth import SessionAuth  # noqa: E402
from churnkit.console.customer_history import History  # noqa: E402
from churnkit.errors import ChurnkitError  # noqa: E402
from churnkit.journal import Journal  # noqa: E402
from churnkit.server.auth.api_keys import add_key  # noqa: E402

NOW = datetime(2026, 11, 5, 9, tzinfo=UTC)
ASKED = "http://127.0.0.1"


@pytest.fixture
def journal(tmp_path):
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as opened:
        yield opened


@pytest.fixture
def customer_list(shop_model, customers_of_shop):
    rows = customers_of_shop(200, seed=5)
    rows[0] |= {"customer_id": "=cmd|'x'", "city": "<script>alert(1)</script>"}
    rows[1] |= {"customer_id": "<script>a</script>/b"}
    return read_customer_list(shop_model, pa.Table.from_pylist(rows), day=date(2026, 11, 5))


@pytest.fixture
def visit(shop_model, customer_list, journal, tmp_path):
    tickets = tmp_path / "tickets.csv"
    tickets.write_text(
        "customer_id,opened_at,closed_at,topic\n=cmd|'x',2026-10-01,2026-10-02,<script>b</script>\n"
    )

    def visit(keys=None, client=("127.0.0.1", 5), base=ASKED):
        console = ConsoleApp(
            customer_list,
            Approvals(journal, customer_list),
            History(shop_model, {"tickets": tickets}, date(2026, 11, 5)),
            auth=SessionAuth(keys),
            clock=lambda: NOW,
        )
        return testclient.TestClient(
            console.app(), base_url=base, client=client, raise_server_exceptions=False
        )

    return visit


def acted(customer_list):
    return customer_list.customers[int(np.flatnonzero(customer_list.decisions.action >= 0)[0])]


def form_of(browser, customer):
    page = browser.get(f"/customers/{customer}").text
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))


def verdicts(journal):
    return [row for row in journal.decisions().to_pylist() if row["verdict"] != "decide"]


def test_a_filtered_list_and_its_csv_equal_a_direct_computation(visit, customer_list):
    answer = visit().get("/customers.csv", params={"f.plan": "basic", "action": "call"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    plans = np.array(customer_list.table["plan"].to_pylist())
    wanted = (plans == "basic") & (customer_list.decisions.action == 0)
    gains = [float(row["expected_gain"]) for row in rows]
    stakes = [float(row["at_risk"]) for row in rows]
    assert len(rows) == wanted.sum() > 0
    assert sum(gains) == pytest.approx(customer_list.decisions.expected_gain[wanted].sum())
    assert stakes == sorted(stakes, reverse=True)
    page = visit().get("/", params={"f.plan": "basic", "action": "call"}).text
    assert f"{wanted.sum()} customers" in page


def test_the_list_and_the_customer_page_show_the_expected_response(visit, customer_list):
    rows = list(
        csv.DictReader(io.StringIO(visit().get("/customers.csv?response=effect below cost").text))
    )
    expected = customer_list.decisions.responses.name.count("effect below cost")
    assert len(rows) == expected > 0
    assert {row["response"] for row in rows} == {"effect below cost"}
    assert all(row["action"] == "" and float(row["effect"]) > 0 for row in rows)
    page = visit().get(f"/customers/{rows[0]['customer']}").text
    assert "Effect below cost" in page
    assert "the effect does not pay the cost" in page
    assert "the eligible action that saves most" in page
    assert "Churn risk, horizon of the label" in page
    assert "Expected gain over 12 months" in page


def test_the_report_is_rebuilt_for_the_filtered_customers(visit, customer_list, shop_model):
    from churnkit.report import build_report

    plans = np.array(customer_list.table["plan"].to_pylist())
    direct = build_report(
        model=shop_model, customers=customer_list.table.filter(pa.array(plans == "pro"))
    )
    page = visit().get("/report", params={"f.plan": "pro"})
    assert page.status_code == 200
    assert direct.sections[0].lead in page.text.replace("&#39;", "'")
    assert "form-action 'self'" in page.text.replace("&#39;", "'")


def test_a_report_on_some_customers_has_no_figures_that_need_those_who_left(
    customer_list, shop_model, journal, tmp_path
):
    names = [*customer_list.customers, *(f"left {number}" for number in range(40))]
    left = [name.startswith("left") for name in names]
    subscriptions = pa.table(
        {
            "customer_id": names,
            "started_at": [date(2025, 1, 1)] * len(names),
            "ended_at": [date(2026, 9, 1) if gone else None for gone in left],
            "mrr": [50.0] * len(names),
        }
    )
    pq.write_table(subscriptions, tmp_path / "subscriptions.parquet")
    console = ConsoleApp(
        customer_list,
        Approvals(journal, customer_list),
        History(
            shop_model, {"subscriptions": tmp_path / "subscriptions.parquet"}, date(2026, 11, 5)
        ),
        auth=SessionAuth(None),
        clock=lambda: NOW,
    )
    browser = testclient.TestClient(
        console.app(), base_url=ASKED, client=("127.0.0.1", 5), raise_server_exceptions=False
    )
    whole, part = (browser.get("/report", params=query).text for query in ({}, {"f.plan": "pro"}))
    for name in ("revenue", "survival"):
        assert f'<section id="{name}"' in whole, name
        assert f'id="{name}"' not in part, name
    assert 'id="scorecard"' not in part
    assert "Customers who match only." in part
    assert "More sections" in whole
    assert "More sections" not in part


def test_customers_who_left_by_a_flat_tables_label_are_left_out_as_in_the_report(
    shop_model, rows_of_shop, journal
):
    from churnkit.report import build_report

    rows = rows_of_shop(200, seed=5)
    stayed = [row["customer_id"] for row in rows if not row["churned"]]
    assert 50 < len(stayed) < 150
    listed = read_customer_list(shop_model, pa.Table.from_pylist(rows), day=date(2026, 11, 5))
    assert list(listed.customers) == stayed
    console = ConsoleApp(
        listed,
        Approvals(journal, listed),
        History(shop_model, {}, listed.day),
        auth=SessionAuth(None),
        clock=lambda: NOW,
    )
    browser = testclient.TestClient(console.app(), base_url=ASKED, client=("127.0.0.1", 5))
    note = f"{200 - len(stayed)} of 200 customers have left by the column churned"
    report = build_report(model=shop_model, customers=rows)
    assert f" of {len(stayed)} customers are expected to churn" in report.sections[0].lead
    for page in (browser.get("/").text, browser.get("/report").text, report.html):
        assert note in page
    assert report.sections[0].lead in browser.get("/report").text
    with pytest.raises(ChurnkitError, match="decisions are on customers who have left"):
        build_report(model=shop_model, customers=rows, decisions=listed.decisions)
    left = [row for row in rows if row["churned"]]
    with pytest.raises(ChurnkitError, match=f"all {len(left)} customers have left"):
        read_customer_list(shop_model, pa.Table.from_pylist(left), day=listed.day)


def test_no_text_of_a_customer_becomes_markup_or_a_formula(visit):
    browser = visit()
    for path in (
        "/",
        "/report",
        "/customers/=cmd|'x'",
        "/customers/%3Cscript%3Ea%3C%2Fscript%3E%2Fb",
    ):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert "<script" not in answer.text
    assert "&lt;script&gt;b" in browser.get("/customers/=cmd|'x'").text
    rows = csv.reader(io.StringIO(browser.get("/customers.csv").text))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "@", "+"))]


def test_a_form_sent_twice_is_recorded_once_with_name_and_reason(visit, customer_list, journal):
    browser, customer = visit(), acted(customer_list)
    form = form_of(browser, customer) | {"by": "ann", "why": "on leave", "verdict": "snooze"}
    for _ in range(2):
        assert browser.post("/verdicts", data=form, follow_redirects=False).status_code == 303
    (row,) = verdicts(journal)
    assert (row["by"], row["why"], row["verdict"]) == ("ann", "on leave", "snooze")
    assert len(journal.decisions()) == 2
    assert "1 snoozed" in browser.get("/").text


def test_a_recorded_plan_stands_and_verdicts_refer_to_it(visit, customer_list, journal, shop_model):
    planned = decide_period(
        shop_model,
        customer_list.encoded,
        customer_list.probability,
        customer_list.customers,
        budget=50.0,
        period=DecisionPeriod(customer_list.day, journal=journal),
    )
    again = read_customer_list(
        shop_model, customer_list.table, day=customer_list.day, journal=journal
    )
    assert again.decisions.action_name == planned.columns["action"]
    assert again.decisions.action_name != customer_list.decisions.action_name
    assert again.decisions.expected_gain.tolist() == planned.columns["expected_gain"]
    assert again.decisions.reason == planned.columns["reason"]
    customer = acted(again)
    (before,) = journal.decisions(customers=[customer]).to_pylist()
    Approvals(journal, again).record(
        customer, "approve", by="ann", why="agreed", form_id="1", at=NOW
    )
    (verdict,) = verdicts(journal)
    assert verdict["about"] == before["key"]
    assert len(journal.decisions(customers=[customer])) == 2


@pytest.mark.parametrize("change", [{"token": "forged"}, {"token": ""}])
def test_a_forged_form_is_refused_and_nothing_is_written(visit, customer_list, journal, change):
    browser = visit()
    form = form_of(browser, acted(customer_list)) | {"by": "a", "why": "b", "verdict": "approve"}
    assert browser.post("/verdicts", data=form | change).status_code == 403
    elsewhere = browser.post("/verdicts", data=form, headers={"origin": "http://evil.example"})
    assert elsewhere.status_code == 403
    assert len(journal.decisions()) == 0


@pytest.mark.parametrize("first", ["approve", "reject", "snooze"])
def test_the_page_offers_only_verdicts_that_the_journal_accepts(
    visit, customer_list, journal, first
):
    browser, customer = visit(), acted(customer_list)
    form = form_of(browser, customer) | {"by": "ann", "why": "known", "verdict": first}
    assert browser.post("/verdicts", data=form).status_code == 200
    page = browser.get(f"/customers/{customer}").text
    labels = {"approve": "Approved", "reject": "Dismissed", "snooze": "Snoozed"}
    assert f"{labels[first]} by ann: known" in page
    assert ('name="verdict"' in page) == (first == "approve")
    if first == "approve":
        # Another approval would change nothing.
        assert 'value="reject"' in page
        assert 'value="approve"' not in page
        second = form_of(browser, customer) | {"by": "bo", "why": "called", "verdict": "reject"}
        assert browser.post("/verdicts", data=second).status_code == 200
        assert [row["verdict"] for row in verdicts(journal)].count("reject") == 1


def test_past_risk_is_drawn_and_computed_before_the_first_visit(
    shop_model, customer_list, journal, monkeypatch
):
    history = History(shop_model, {}, date(2026, 11, 5))
    customer = customer_list.customers[3]
    days = [date(2026, 10, 6), date(2026, 11, 5)]
    asked = []

    def dates():
        asked.append(1)
        return [(day, {customer: 0.1 * place}) for place, day in enumerate(days, 1)]

    monkeypatch.setattr(history, "_dates", dates)
    console = ConsoleApp(
        customer_list,
        Approvals(journal, customer_list),
        history,
        auth=SessionAuth(None),
        clock=lambda: NOW,
    )
    console.warm()
    assert asked
    browser = testclient.TestClient(console.app(), base_url=ASKED, client=("127.0.0.1", 5))
    page = browser.get(f"/customers/{customer}").text
    assert "Churn risk over time" in page
    assert "<svg" in page
    assert "2026-10-06: 10%" in page


@pytest.mark.parametrize("missing", ["by", "why"])
def test_name_and_reason_are_required(visit, customer_list, journal, missing):
    browser = visit()
    form = form_of(browser, acted(customer_list)) | {"by": "a", "why": "b", "verdict": "approve"}
    assert browser.post("/verdicts", data=form | {missing: " "}).status_code == 400
    assert len(journal.decisions()) == 0


def test_a_base_too_small_for_a_report_still_has_a_customer_list(
    visit, customer_list, journal, shop_model
):
    few = read_customer_list(shop_model, customer_list.table.slice(2, 3), day=customer_list.day)
    console = ConsoleApp(
        few,
        Approvals(journal, few),
        History(shop_model, {}, customer_list.day),
        auth=SessionAuth(None),
        clock=lambda: NOW,
    )
    console.warm()
    browser = testclient.TestClient(console.app(), base_url=ASKED, client=("127.0.0.1", 5))
    assert browser.get("/").status_code == 200
    assert browser.get("/report").status_code == 400


def test_identical_events_in_a_row_are_merged(shop_model, tmp_path):
    log = tmp_path / "events.csv"
    log.write_text(
        "customer_id,occurred_at,kind,amount\n"
        "a,2026-10-01,login,0\na,2026-10-03,login,0\na,2026-10-09,order,12.5\nb,2026-10-09,login,0\n"
    )
    events = History(shop_model, {"events": log}, date(2026, 11, 5)).events("a")
    assert [(one.since, one.at, one.text, one.times) for one in events] == [
        ("2026-10-09", "2026-10-09", "Product event: order, €12.50", 1),
        ("2026-10-01", "2026-10-03", "Product event: login", 2),
    ]


def test_the_history_describes_events_without_column_names(
    shop_model, customer_list, journal, tmp_path
):
    customer = acted(customer_list)
    log = tmp_path / "treatments.csv"
    log.write_text(
        "customer_id,action,propensity,cost,decided_at,churned\n"
        f"{customer},call,0.1741010989,12,2026-10-01,false\n{customer},none,0.5,0,2026-09-01,false\n"
    )
    history = History(shop_model, {"treatments": log}, date(2026, 11, 5))
    console = ConsoleApp(
        customer_list,
        Approvals(journal, customer_list),
        history,
        auth=SessionAuth(None),
        clock=lambda: NOW,
    )
    browser = testclient.TestClient(console.app(), base_url=ASKED, client=("127.0.0.1", 5))
    page = browser.get(f"/customers/{customer}").text
    assert "Action: A call; cost €12; chosen with a probability of 17%" in page
    assert "No action; chosen with a probability of 50%" in page
    for column in ("propensity", "churned", "0.174"):
        assert column not in page


def test_the_customer_page_shows_the_interval_of_the_risk(visit, customer_list):
    customer = acted(customer_list)
    page = visit().get(f"/customers/{customer}").text
    probability = float(customer_list.probability[customer_list.rows[customer]])
    low, high = customer_list.model.contents.intervals.interval_one(probability)
    assert f'<dd class="interval">{low:.1%} to {high:.1%}</dd>' in page
    assert "tested customers with similar scores; the risk is often one of its ends" in page


def test_the_health_score_is_shown_as_a_sum(visit, customer_list):
    customer = acted(customer_list)
    page = visit().get(f"/customers/{customer}").text
    panel = page[page.index("Health score breakdown") :]
    first, *points, last = map(
        float, re.findall(r'class="amount">([-+]?[\d.]+)</span>', panel[: panel.index("</ul>")])
    )
    assert round(10 * first) + sum(round(10 * one) for one in points) == round(10 * last)
    row = customer_list.rows[customer]
    assert last == pytest.approx(100 * (1 - customer_list.probability[row]), abs=0.05)
    assert first == pytest.approx(100 * (1 - customer_list.probability.mean()), abs=0.05)


def test_the_parts_of_a_score_are_the_tables_of_its_timeline(customer_list):
    class Plan:
        feature_tables = {"tenure_months": "paid_bills", "mrr": "paid_bills"}  # noqa: RUF012

    model = copy(customer_list.model)
    model.contents = replace(model.contents, timeline=Plan())
    row = customer_list.rows[acted(customer_list)]
    names = [part.name for part in replace(customer_list, model=model).health(row).parts]
    assert len(names) == 3
    assert "Paid bills" in names
    assert any(name.endswith(" plan") for name in names)


def test_no_get_changes_anything(visit, customer_list, journal):
    browser = visit()
    for path in ("/", "/report", "/customers.csv", f"/customers/{acted(customer_list)}"):
        browser.get(path)
    assert browser.get("/verdicts").status_code == 405
    assert len(journal.decisions()) == 0


def test_with_keys_visitors_sign_in_and_the_keys_name_is_recorded(
    visit, customer_list, journal, tmp_path
):
    keys = tmp_path / "keys.json"
    key = add_key(keys, name="Bo", scopes=("recommend", "outcomes"))
    browser = visit(keys)
    asked = browser.get("/")
    assert asked.status_code == 401
    assert acted(customer_list) not in asked.text
    (token,) = set(re.findall(r'name="token" value="([^"]*)"', asked.text))
    assert browser.post("/sign-in", data={"token": token, "key": "ck_no"}).status_code == 403
    assert browser.post("/sign-in", data={"token": token, "key": key}).status_code == 200
    form = form_of(browser, acted(customer_list)) | {"by": "other", "why": "b", "verdict": "reject"}
    browser.post("/verdicts", data=form)
    assert [row["by"] for row in verdicts(journal)] == ["Bo"]


def test_without_keys_other_machines_and_host_names_are_refused(visit):
    assert visit(client=("10.0.0.9", 5)).get("/").status_code == 403
    assert visit(base="http://evil.example").get("/").status_code == 403


def test_the_policy_is_strict_and_errors_are_small_pages(visit):
    browser = visit()
    policy = browser.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert browser.get("/customers/nobody").status_code == 404
    assert "Traceback" not in browser.get("/nothing").text
    assert browser.get("/livez").text == "ok\n"
