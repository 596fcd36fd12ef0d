"""Locale of the report: every text from the catalog, numbers and dates by language."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from churnkit.core.translation import use_locale
from churnkit.report import build_report, write_digest
from churnkit.report.blocks import Cards, Table
from tests.pseudo_locale import PSEUDO_LOCALE, outside_brackets, outside_catalog

pytest.importorskip("babel", reason="the extra 'report' is not installed")
pytest.importorskip("jinja2", reason="the extra 'report' is not installed")

# Names and units of the schema, of its actions, and abbreviations that languages share.
NAMES = """Customer for|Plan|City|Monthly revenue|May be called|A call|basic|plus|pro|plan|Bern|Oslo
months|a month|EUR|churnkit|shop|sha256|NPS|CSAT|CES"""


@pytest.fixture(scope="module")
def tables(simulated):
    return {name: table for name, table in simulated.tables.items() if name != "customers"}


@pytest.fixture(scope="module")
def pseudo(tables, shop_model, customers_of_shop):
    return build_report(
        tables, model=shop_model, customers=customers_of_shop(400, seed=3), threads=1, locale=PSEUDO_LOCALE
    )  # fmt: skip


@pytest.fixture(scope="module")
def data_words(tables, pseudo):
    """Texts of the tables and the schema, which a report repeats as they are."""
    words = set(re.split(r"[|\n]", NAMES))
    for table in tables.values():
        for name in ("plan", "topic", "kind", "action", "event_type"):
            if name in table.column_names:
                words |= {
                    str(value).replace("_", " ") for value in table[name].unique().to_pylist()
                }
    for section in pseudo.sections:
        for block in section.blocks:
            if isinstance(block, Table) and block.name == "themes":
                words |= {str(row[0]) for row in block.rows}
            elif isinstance(block, Cards) and section.name == "voice":
                words |= {card.title for card in block.cards}
    return words


def test_every_text_of_the_report_is_from_the_catalog(pseudo, data_words):
    assert outside_catalog(pseudo.html, data_words) == set()


def test_every_text_of_the_digest_is_from_the_catalog(pseudo, data_words):
    assert outside_catalog(write_digest(pseudo), data_words) == set()


def test_a_report_without_input_is_from_the_catalog():
    empty = build_report(locale=PSEUDO_LOCALE)
    assert outside_catalog(empty.html, {"churnkit"}) == set()


def test_numbers_of_the_report_follow_the_locale(pseudo):
    texts = outside_brackets(pseudo.html)
    assert [text for text in texts if re.search(r"\d[.,]\d|\d%", text)] == []


def test_a_german_report_has_german_texts_numbers_and_dates(shop_model, customers_of_shop):
    report = build_report(
        model=shop_model, customers=customers_of_shop(60, seed=3), as_of="2026-03-01", locale="de"
    )
    page = replace(report, as_of="2026-03-01").html
    assert report.title == "Bericht zur Kundenbindung"
    assert '<html lang="de">' in page
    assert "Stand 01.03.2026" in page
    assert re.search(r"Gefährdeter Umsatz über 12\sMonate: [\d.]+\s€", page)
    assert re.search(r"\d,\d\s%", page)


def test_the_locale_of_a_report_does_not_outlive_it(shop_model, customers_of_shop):
    build_report(model=shop_model, customers=customers_of_shop(60, seed=3), locale="de")
    assert build_report().title == "Retention report"
    with use_locale("de"):
        assert build_report().title == "Bericht zur Kundenbindung"


def test_the_same_report_has_the_same_numbers_in_every_language(shop_model, customers_of_shop):
    rows = customers_of_shop(60, seed=3)
    english, german = (
        build_report(model=shop_model, customers=rows, locale=locale) for locale in ("en", "de")
    )
    assert english.headline == german.headline
