"""One name, one value: figures of the report, the console and the plan of one project."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")
testclient = pytest.importorskip("starlette.testclient", reason="starlette is not installed")

from churnkit.batch import plan  # noqa: E402
from churnkit.console import ConsoleApp, read_customer_list  # noqa: E402
from churnkit.console.approvals import Approvals  # noqa: E402
from churnkit.console.auth import SessionAuth  # noqa: E402
from churnkit.console.customer_history import History  # noqa: E402
from churnkit.journal import Journal  # noqa: E402
from churnkit.report import build_report  # noqa: E402

DAY = date(2026, 11, 5)
BUDGET = 200.0


def sums(rows):
    """Total the money of rows of a plan or of the console's CSV file, and count responses."""
    totals = {
        name: sum(float(row[name] or 0.0) for row in rows)
        for name in ("at_risk", "expected_gain", "cost")
    }
    for row in rows:
        if row["response"]:
            totals[row["response"]] = totals.get(row["response"], 0) + 1
    return totals


@pytest.fixture(scope="module")
def figures(shop_model, customers_of_shop, to_csv, tmp_path_factory):
    """Figures by name, for each place that shows them."""
    folder = tmp_path_factory.mktemp("figures")
    rows = customers_of_shop(300, seed=11)
    file = to_csv(folder / "customers.csv", rows)
    planned, totals = plan(file, shop_model, budget=BUDGET)
    table = pa.Table.from_pylist(rows)
    report = build_report(model=shop_model, customers=table, budget=BUDGET)
    listed = read_customer_list(shop_model, table, day=DAY, budget=BUDGET)
    with Journal.open(f"sqlite:///{folder / 'journal.db'}") as journal:
        console = ConsoleApp(
            listed,
            Approvals(journal, listed),
            History(shop_model, {}, DAY),
            auth=SessionAuth(None),
            clock=lambda: datetime(2026, 11, 5, tzinfo=UTC),
        )
        browser = testclient.TestClient(
            console.app(), base_url="http://127.0.0.1", client=("127.0.0.1", 5)
        )
        lines = list(csv.DictReader(io.StringIO(browser.get("/customers.csv").text)))
        page = browser.get("/").text
        customer_page = browser.get(f"/customers/{lines[0]['customer']}").text
    told = json.loads(json.dumps(totals.to_dict()))
    segments = next(
        block
        for section in report.summary["sections"]
        for block in section["blocks"]
        if block.get("name") == "responses"
    )
    return {
        "plan": sums(planned.to_pylist()),
        "plan --json": {name: told[name] for name in ("at_risk", "expected_gain", "cost")}
        | {name: count for name, count in told["responses"].items() if count},
        "console": sums(lines),
        "report": {name: report.headline[name] for name in ("at_risk", "expected_gain")}
        | {
            row[0][:1].lower() + row[0][1:]: row[1]
            for row in segments["rows"]
            if row[0] != "No eligible action"
        },
        "lines": lines,
        "page": page,
        "customer page": customer_page,
        "report page": json.dumps(report.summary),
    }


def test_one_name_has_one_value_in_the_plan_the_console_and_the_report(figures):
    values: dict[str, dict[str, float]] = {}
    for place in ("plan", "plan --json", "console", "report"):
        for name, value in figures[place].items():
            values.setdefault(name, {})[place] = value
    assert {"at_risk", "expected_gain", "may be retained", "effect below cost"} <= set(values)
    for name, by_place in values.items():
        assert len(by_place) > 1, name
        first = next(iter(by_place.values()))
        assert all(value == pytest.approx(first) for value in by_place.values()), (name, by_place)


def test_the_same_labels_name_the_same_horizon_on_every_page(figures):
    for label in ("At-risk revenue over 12 months", "Expected gain over 12 months"):
        assert label in figures["page"]
        assert label in figures["report page"]


def test_the_gain_of_a_customer_is_at_most_the_revenue_at_risk(figures):
    for line in figures["lines"]:
        assert float(line["expected_gain"]) <= float(line["at_risk"])


def test_the_list_begins_with_the_customers_with_most_revenue_at_risk(figures):
    stakes = [float(line["at_risk"]) for line in figures["lines"]]
    assert stakes == sorted(stakes, reverse=True)


def cells_of(block, title):
    """Numbers of the column of a table with a title."""
    titles = [column["title"] for column in block["columns"]]
    return [
        row[titles.index(title)] for row in block["rows"] if row[titles.index(title)] is not None
    ]


def test_parts_of_the_report_add_up_to_its_headline(figures):
    summary = json.loads(figures["report page"])
    blocks = {
        block["name"]: block
        for section in summary["sections"]
        for block in section["blocks"]
        if "name" in block
    }
    at_risk = sum(cells_of(blocks["value_risk"], "At-risk revenue over 12 months"))
    assert at_risk == pytest.approx(figures["report"]["at_risk"])
    for name, title in (
        ("actions", "Expected gain"),
        ("responses", "Expected gain over 12 months"),
        ("value_risk", "Expected gain over 12 months"),
    ):
        gain = sum(cells_of(blocks[name], title))
        assert gain == pytest.approx(figures["report"]["expected_gain"]), name
    customers = sum(cells_of(blocks["health"], "Customers"))
    assert customers == sum(cells_of(blocks["value_risk"], "Customers")) == 300
    treated = sum(cells_of(blocks["actions"], "Customers"))
    assert treated + sum(cells_of(blocks["no_action"], "Customers")) == customers


def test_figures_of_one_title_have_one_value_in_the_whole_report(figures):
    values: dict[str, set[float]] = {}
    for section in json.loads(figures["report page"])["sections"]:
        for block in section["blocks"]:
            for figure in block.get("figures", ()):
                values.setdefault(figure["title"], set()).add(figure["value"])
    assert values
    assert {title: found for title, found in values.items() if len(found) > 1} == {}


def test_a_customer_has_one_risk_on_every_page(figures):
    line = figures["lines"][0]
    percent = f"{100 * float(line['churn_probability']):.1f}%"
    assert f">{percent}</td>" in figures["page"]
    assert f'<dd class="value">{percent}</dd>' in figures["customer page"]
    assert f"to this customer ({percent})" in figures["customer page"]
    score = f"health score: {100 - 100 * float(line['churn_probability']):.0f} of 100"
    assert score in figures["customer page"]
