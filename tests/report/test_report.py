"""The report: its content, no individual customers, and nothing executable."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from churnkit.bundle import RetentionModel
from churnkit.decisions import ContactLimit, ContactPolicy
from churnkit.errors import MissingExtraError, RecipeError
from churnkit.journal import Journal
from churnkit.report import build_report
from churnkit.report.blocks import Block, Cards, Chart, Column, Figures, Section, Table
from churnkit.report.gather import ReportData
from churnkit.report.report import Report
from churnkit.report.scored_customers import score_customers

SECTIONS = ["headline", "scorecard", "revenue", "cohorts", "survival", "journeys", "model", "drivers", "segments", "voice", "actions", "experiments", "health"]  # fmt: skip
MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def page(report):
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    return report.html


def test_every_section_exists_and_has_content(report):
    assert [section.name for section in report.sections] == SECTIONS
    assert [section.name for section in report.sections if section.is_missing] == []


def test_the_page_is_one_file_under_three_megabytes(page):
    assert len(page.encode()) < MOST_BYTES
    assert not re.search(r"(?:src|href)=[\"'](?!#)", page)


def test_the_page_has_no_script_and_its_policy_allows_only_its_own_style(page):
    assert "<script" not in page
    assert not re.search(r"<[^>]+\s(?:on\w+|style)=", page)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert "default-src &#39;none&#39;" in policy
    assert f"sha256-{digest}" in policy.replace("&#43;", "+")
    assert "unsafe" not in policy


def test_neither_the_page_nor_its_data_contain_a_customer(report, page, simulated):
    text = page + json.dumps(report.summary)
    assert "idcanary" not in text
    assert "mailcanary" not in text
    assert not re.search(r"\bC\d{7}\b", text)


def test_every_chart_has_a_title_that_is_a_label_and_its_data_as_a_table(report, page):
    charts = [b for section in report.sections for b in section.blocks if isinstance(b, Chart)]
    assert len(charts) > 12
    for chart in charts:
        assert chart.title
        assert not chart.title.endswith(("?", "."))
        assert f'id="chart-{chart.name}"' in page
    assert page.count("<summary>Show data</summary>") == len(charts)


def test_names_of_charts_and_tables_are_unique(report):
    names = [
        block.name
        for section in report.sections
        for block in section.blocks
        if isinstance(block, (Chart, Table))
    ]
    assert len(names) == len(set(names))


def test_every_figure_shows_its_formula(report, page):
    from churnkit.report.blocks import Figures

    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Figures):
                assert all(figure.formula for figure in block.figures)
    assert page.count('class="formula"') >= 20


def test_the_summary_is_json_with_the_content_of_the_page(report, page):
    data = json.loads(json.dumps(report.summary, allow_nan=False))
    assert [section["name"] for section in data["sections"]] == SECTIONS
    assert all(section["lead"] in page.replace("&#39;", "'") for section in data["sections"])


CANARIES = ("<script>alert(1)</script>", '=cmd|"/c calc"!A1', "{{ 7 * 7 }}", "</style><b>")


def test_canaries_in_every_text_are_escaped_in_the_page_and_quoted_in_csv(tmp_path):
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    from churnkit.insights import Figure
    from churnkit.report.blocks import Card, Column, Figures, Missing, Text

    for canary in CANARIES:
        columns = (Column(canary, role="x"), Column(canary, "share", "y"))
        rows = ((canary, 0.5), (canary, 0.7))
        blocks: tuple[Block, ...] = (
            *(
                Chart(f"c{kind}", canary, columns, rows, canary, chart_type=kind)
                for kind in ("line", "bars", "stack")
            ),
            Table("t", canary, columns, rows, canary),
            Cards(canary, (Card(canary, canary, canary, canary),)),
            Figures((Figure("f", canary, 1.0, "count", canary, note=canary),)),
            Text((canary,)),
            Missing(canary),
        )
        made = Report(
            canary, canary, canary, (Section("s", canary, blocks, canary),), (canary,) * 2
        )
        assert "<script" not in made.html
        assert "<b>" not in made.html
        assert ">49<" not in made.html
        for path in made.write_csv(tmp_path):
            cells = [cell for row in csv.reader(path.read_text().splitlines()) for cell in row]
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_canaries_in_raw_tables_come_out_escaped(simulated, tmp_path):
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    tables = {name: simulated.tables[name].to_pandas() for name in ("subscriptions", "tickets")}
    tables["subscriptions"]["plan"] = "<script>alert(1)</script>"
    tables["tickets"]["topic"] = "=cmd()"
    made = build_report(tables, threads=1)
    assert "<script" not in made.html
    assert "=cmd()" in json.dumps(made.summary)
    for path in made.write_csv(tmp_path):
        assert not re.search(r"(?m)(?:^|,)\"?=cmd", path.read_text())


def test_a_report_without_input_names_what_it_needs():
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    made = build_report()
    assert all(section.is_missing for section in made.sections)
    assert "--table subscriptions=FILE" in made.html


def test_the_same_tables_give_the_same_bytes(simulated):
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    tables = {"subscriptions": simulated.tables["subscriptions"]}
    assert build_report(tables, threads=1).html == build_report(tables, threads=1).html


def test_new_customers_are_assigned_from_the_summary(report):
    from churnkit.insights import Clusters

    clusters = Clusters.from_dict(json.loads(json.dumps(report.summary))["clusters"])
    assert clusters == report.clusters


def test_an_unknown_table_is_refused_with_a_suggestion():
    with pytest.raises(RecipeError, match="did you mean 'orders'"):
        build_report({"order": []})


def test_without_jinja_the_message_names_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "jinja2", None)
    from churnkit.insights import RetentionSettings

    made = Report.of(ReportData("", "", RetentionSettings()))
    with pytest.raises(MissingExtraError, match=r"pip install '?jinja2"):
        _ = made.html


@pytest.mark.parametrize(("margin", "noun"), [(0.7, "margin"), (1.0, "revenue")])
def test_the_at_risk_share_is_of_the_same_money_over_the_same_time(
    shop_model, customers_of_shop, margin, noun
):
    rows = customers_of_shop(60, seed=3)
    catalogue = replace(shop_model.catalogue, margin=margin, periods=12)
    model = RetentionModel(replace(shop_model.contents, catalogue=catalogue))
    tiles = build_report(model=model, customers=rows).sections[0].blocks[0]
    assert isinstance(tiles, Figures)
    tile = tiles.figures[0]
    # The total of twelve months by hand.
    total = 12 * margin * sum(row["mrr"] for row in rows)
    assert tile.note == f"{tile.value / total:.1%} of the {noun} of €{total:,.0f} over 12 months"


def test_the_plan_shown_respects_holdouts_and_contact_rules(
    shop_model, customers_of_shop, tmp_path
):
    rows = customers_of_shop(400, seed=3)
    catalogue = replace(
        shop_model.catalogue,
        holdout=0.5,
        contact=ContactPolicy(limits=(ContactLimit(1, days=30.0),)),
    )
    model = RetentionModel(replace(shop_model.contents, catalogue=catalogue))
    day = date(2026, 11, 5)
    with Journal.open(f"sqlite:///{tmp_path / 'journal.db'}") as journal:
        given = {"model": model, "customers": pa.Table.from_pylist(rows), "day": day}
        first = score_customers(**given, journal=journal)
        assert "held out" in " ".join(reason for reason, _ in first.no_action)
        plain = score_customers(shop_model, given["customers"])
        planned = sum(action.customers for action in first.actions)
        assert 0 < planned < 0.75 * sum(action.customers for action in plain.actions)
        report = build_report(**given, journal=journal)
        assert not next(s for s in report.sections if s.name == "actions").is_missing
    with pytest.raises(RecipeError, match="holdouts"):
        score_customers(model, given["customers"])


def blocks_by_name(report):
    return {
        block.name: block
        for section in report.sections
        for block in section.blocks
        if isinstance(block, Table)
    }


def test_the_summary_names_at_most_three_next_steps_and_one_horizon_for_risk_and_gain(report):
    from churnkit.report.blocks import Cards

    (steps,) = (block for block in report.sections[0].blocks if isinstance(block, Cards))
    assert 1 <= len(steps.cards) <= 3
    assert [card.tag for card in steps.cards] == [str(n + 1) for n in range(len(steps.cards))]
    lead = report.sections[0].lead
    assert lead.count("over 12 months") == 2
    assert "are expected to churn" in lead


def test_the_gain_by_budget_ends_at_the_gain_of_the_plan(report):
    rows = blocks_by_name(report)["budget_curve"].rows
    assert rows[0][:2] == (0.0, 0.0)
    assert rows[-1][1] == pytest.approx(report.headline["expected_gain"])
    gains = [row[1] for row in rows]
    assert gains == sorted(gains)


def test_flagged_and_found_customers_follow_from_the_curve_of_the_card(report, shop_model):
    from churnkit.report.blocks import Figures

    card = shop_model.card
    section = next(section for section in report.sections if section.name == "model")
    figures = {
        figure.name: figure.value
        for block in section.blocks
        if isinstance(block, Figures)
        for figure in block.figures
    }
    share, found = next(
        pair
        for pair in zip(card["lift"]["share_of_customers"], card["lift"]["model"], strict=True)
        if pair[0] >= 0.2 - 1e-9
    )
    churners, rows = card["evaluation"]["churners"], card["evaluation"]["rows"]
    assert figures["recall"] == found
    assert figures["precision"] == pytest.approx(found * churners / (share * rows))
    (recall,) = (
        figure
        for block in section.blocks
        if isinstance(block, Figures)
        for figure in block.figures
        if figure.name == "recall"
    )
    expected = binomtest(round(found * churners), churners).proportion_ci(method="wilson")
    assert (recall.low, recall.high) == pytest.approx((expected.low, expected.high))
    assert figures["found_beyond_rule"] == round(found * churners) - round(
        figures["recall_of_rule"] * churners
    )


def test_repeated_rows_of_a_customer_count_as_one_in_intervals(shop_model):
    from churnkit.report.sections.model_summary import found_customers

    card = shop_model.card
    churners = card["evaluation"]["churners"]
    data = {**card["data"], "test_customers": card["evaluation"]["rows"] / 2}
    block = found_customers({**card, "data": data})
    assert block is not None
    figures = {one.name: one for one in block.figures}
    found = figures["recall"].value
    low, high = proportion_ends(found, churners / 2)
    assert (figures["recall"].low, figures["recall"].high) == pytest.approx((low, high))


def proportion_ends(share, size, z=1.959963984540054):
    """Return Wilson's interval, as Wilson (1927) states it."""
    center = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    half = z / (1 + z**2 / size) * np.sqrt(share * (1 - share) / size + z**2 / (4 * size**2))
    return center - half, center + half


def test_groups_are_compared_in_one_table_and_not_in_sentences():
    from churnkit.evaluation import slice_metrics
    from churnkit.report.sections.model_summary import group_table, limit_sentences

    generator = np.random.default_rng(0)
    plan = np.array(["basic", "pro"])[generator.integers(0, 2, 2_000)]
    risk = np.where(plan == "basic", 0.5, 0.1) * generator.uniform(0.8, 1.2, 2_000)
    churned = generator.random(2_000) < risk
    slices = slice_metrics(churned, risk, {"plan": plan})
    card = {"slices": slices.to_dict(), "limits": ["No dates.", *slices.differences]}
    assert len(slices.differences) > 0
    assert limit_sentences(card) == ("No dates.",)
    table = group_table(card)
    assert table is not None
    rows = {row[0]: row for row in table.rows}
    assert set(rows) == {"plan: basic", "plan: pro"}
    basic = plan == "basic"
    flagged = risk >= np.sort(risk)[-400]
    assert rows["plan: basic"][1:3] == (basic.sum(), churned[basic].sum())
    assert rows["plan: basic"][3] == pytest.approx(flagged[basic].mean())
    assert "flagged less often" in rows["plan: pro"][-1]
    assert group_table({"limits": ["No dates."]}) is None


def test_the_summary_says_what_the_schema_lacks_for_a_horizon_and_a_currency(
    shop_model, customers_of_shop
):
    lines = [
        line
        for section in build_report(model=shop_model, customers=customers_of_shop(60)).sections
        if section.name == "headline"
        for block in section.blocks
        for line in getattr(block, "lines", ())
    ]
    # The shop names the currency, and no horizon.
    (line,) = lines
    assert 'label("Left within 90 days")' in line


def test_sections_without_input_are_listed_together_with_what_they_need(
    shop_model, customers_of_shop
):
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    page = build_report(
        model=shop_model, customers=customers_of_shop(60, seed=3), note="A remark."
    ).html
    more = page[page.index('id="more"') :]
    for title in ("Revenue", "Cohorts", "Survival", "Experiments"):
        assert f"<dt>{title}</dt>" in more
        assert f">{title}</a>" not in page
    assert "A remark." in page


def test_bars_of_ratios_begin_at_one():
    from churnkit.report.blocks import Column
    from churnkit.report.charts.bars import bars

    columns = (Column("Topic", role="x"), Column("Relative churn rate", "times", "y"))
    chart = Chart("t", "T", columns, (("a", 3.0), ("b", 0.5)), chart_type="bars")
    drawn, _ = bars(chart, 720.0, "")
    boxes = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn)
    (left, width), (other, shorter) = [tuple(map(float, box)) for box in boxes]
    assert left == pytest.approx(other + shorter, abs=0.1)
    assert width == pytest.approx(4 * shorter, rel=0.01)
    assert drawn.count("tone-churn") == drawn.count("tone-saved") == 1


@pytest.mark.parametrize("kind", ["line", "stack", "bars", "points"])
def test_every_chart_names_its_axes_with_units(kind):
    from churnkit.report.blocks import Column
    from churnkit.report.charts.draw import draw

    x = Column("Predicted churn", "share", "x") if kind == "points" else Column("Month", role="x")
    unit = "share" if kind == "points" else "money a month"
    rows = ((0.1, 0.1), (0.2, 0.3)) if kind == "points" else (("Jan", 1.0), ("Feb", 2.0))
    drawn = draw(
        Chart("c", "C", (x, Column("Amount", unit, "y")), rows, chart_type=kind), currency="EUR"
    )
    assert ("Amount, %" if kind == "points" else "Amount, EUR a month") in drawn
    assert kind == "bars" or drawn.count(f">{x.title}</text>") == 2


@pytest.mark.parametrize("chart_type", ["line", "stack", "bars", "points"])
def test_a_chart_without_rows_says_so(chart_type):
    from churnkit.report.charts.draw import draw

    columns = (Column("Month", role="x"), Column("Revenue", "money", "y"))
    assert "no data" in draw(Chart("a", "A", columns, (), chart_type=chart_type))


def test_a_business_of_a_month_has_a_report():
    rows = [
        {"customer": "a", "started": datetime(2025, 1, 5, tzinfo=UTC), "ended": None, "mrr": 10.0}
    ]
    assert "no data for this chart yet" in build_report({"subscriptions": rows}).html
