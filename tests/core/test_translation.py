"""Locales: complete catalogs with matching fields, and formats of other languages."""

from __future__ import annotations

import io
import re
import subprocess
from datetime import date
from pathlib import Path
from string import Formatter

import pytest

from churnkit.core.number_format import (
    format_interval,
    format_money,
    format_number,
    format_percent,
    format_quantity,
)
from churnkit.core.translation import (
    _,
    find_locale,
    format_day,
    languages,
    month_name,
    ngettext,
    parse_number,
    translate_stored,
    use_locale,
)
from churnkit.errors import ChurnkitError

pytest.importorskip("babel", reason="the extra 'report' is not installed")

ROOT = Path(__file__).parents[2]
CATALOGS = ROOT / "churnkit" / "core" / "catalogs"
PLURALS = ("ngettext", "plural", "mark_plural")
KEYWORDS = {"_": None, "mark_text": None} | dict.fromkeys(PLURALS, (1, 2))
OTHERS = [language for language in languages() if language != "en"]


def source_texts():
    """Texts of the code and the templates, as the catalogs' keys."""
    from babel.messages.extract import extract_python
    from jinja2.ext import babel_extract

    found = set()
    for path in sorted((ROOT / "churnkit").rglob("*.py")):
        content = path.read_bytes()
        if b"core.translation import" in content:
            for _line, name, text, _comments in extract_python(
                io.BytesIO(content), KEYWORDS, [], {}
            ):
                found.add(_key(name, text))
    for path in sorted((ROOT / "churnkit").rglob("_page/*.html")):
        with path.open("rb") as file:
            for _line, name, text, _comments in babel_extract(file, ("_", "plural"), [], {}):  # type: ignore[assignment]
                found.add(_key(name, text))
    return {text for text in found if text}


def _key(name, text):
    if name in PLURALS:
        return tuple(part for part in text if part)[:2]
    return text[0] if isinstance(text, tuple) else text


@pytest.fixture(scope="module")
def texts():
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    return source_texts()


@pytest.fixture(params=OTHERS)
def catalog(request):
    from babel.messages.pofile import read_po

    with (CATALOGS / f"{request.param}.po").open("rb") as file:
        return {message.id: message for message in read_po(file) if message.id}


def forms(text):
    return text if isinstance(text, tuple) else (text,)


def fields(text):
    return sorted(
        f"{name}:{spec}" for _text, name, spec, _conversion in Formatter().parse(text) if name
    )


def test_a_catalog_has_every_text_and_no_other(texts, catalog):
    assert len(texts) > 800
    assert texts - set(catalog) == set()
    assert set(catalog) - texts == set()
    assert [key for key, message in catalog.items() if not all(forms(message.string))] == []
    assert [key for key, message in catalog.items() if message.fuzzy] == []


def test_translations_have_the_fields_and_edges_of_their_texts(catalog):
    for key, message in catalog.items():
        for text in forms(message.string):
            assert fields(text) == fields(forms(key)[-1]), key
            for edge in (0, -1):
                assert text[edge].isspace() == forms(key)[0][edge].isspace(), key


def test_texts_of_a_catalog_are_not_left_in_english(catalog):
    # Words that both languages share.
    shared = {key for key, message in catalog.items() if message.string == key}
    assert all(len(forms(key)[0].split()) <= 3 for key in shared), shared


def test_the_catalogs_are_tracked():
    listed = subprocess.run(
        ["git", "ls-files", "--", "churnkit/core/catalogs"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0 and listed.stdout:
        assert {Path(name).stem for name in listed.stdout.split()} == set(OTHERS)


def test_numbers_follow_the_locale():
    assert format_number(1674.75) == "1,675"
    with use_locale("de"):
        assert format_number(1674.75) == "1.675"
        assert format_number(70.35) == "70,35"
        assert format_percent(0.042, 1) == "4,2\N{NO-BREAK SPACE}%"
        assert format_money(-12.5, "EUR") == "-12,50\N{NO-BREAK SPACE}€"
        assert (
            format_money(866_958, "EUR", compact=True)
            == "867\N{NO-BREAK SPACE}Tsd.\N{NO-BREAK SPACE}€"
        )
        assert format_money(12.0, "CHF") == "12\N{NO-BREAK SPACE}CHF"
        assert format_money(12.0) == "12"
        assert format_quantity(30.78, "months") == "30,8\N{NO-BREAK SPACE}Monate"
        assert format_interval(14.1, 18.4, "points") == "+14,1 bis +18,4\N{NO-BREAK SPACE}Punkte"
    assert format_number(1674.75) == "1,675"


@pytest.mark.parametrize(
    ("locale", "text", "number"),
    [
        ("en", "12,500", 12500.0), ("en", "12.5", 12.5), ("en", "0.125", 0.125), ("en", "1,234,567.5", 1234567.5),
        ("en", "12 500", 12500.0), ("en", " -1,000 ", -1000.0), ("en", "- 5", -5.0), ("en", "1e3", 1000.0),
        ("de", "12.500", 12500.0), ("de", "12,5", 12.5), ("de", "0.125", 0.125), ("de", "0,125", 0.125),
        ("de", "-0.125", -0.125), ("de", "1.234.567,5", 1234567.5), ("de", "12.5", 12.5), ("de", "12.5000", 12.5),
        ("de_CH", "12'500.5", 12500.5), ("de_CH", "12\N{RIGHT SINGLE QUOTATION MARK}500.5", 12500.5), ("de_CH", "0.125", 0.125),
        ("en_SE", "\N{MINUS SIGN}12\N{NO-BREAK SPACE}500,5", -12500.5), ("en_SE", "0,125", 0.125),
    ],
)  # fmt: skip
def test_a_typed_number_is_read_in_the_locale(locale, text, number):
    with use_locale(locale):
        assert parse_number(text) == number


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "0,125"), ("en", "12,5"), ("en", "1,234 567"), ("en", "12 5"), ("de", "0.125.000"),
        ("de", "1.234.5"), ("de", "12;5"), ("de_CH", "0'125"), ("en_SE", "0 125"), ("en", "nan"),
        ("en", "inf"), ("en", ""), ("en", "--5"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_number_of_the_locale_is_refused(locale, text):
    with use_locale(locale), pytest.raises(ValueError, match=r"to float|nan|inf"):
        parse_number(text)


@pytest.mark.parametrize(
    ("locale", "amount", "currency", "text"),
    [
        ("en", 1234, "CHF", "CHF_1,234"), ("en", 1234, "EUR", "€1,234"), ("de", 1234, "CHF", "1.234_CHF"),
        ("de_AT", 12.5, "CHF", "CHF_12,50"), ("de_AT", 12, "EUR", "€_12"), ("de_CH", 1234, "CHF", "CHF_1'234"),
        ("de_CH", -12.5, "SEK", "-SEK_12.50"), ("de_CH", 12, "", "12"),
    ],
)  # fmt: skip
def test_one_space_separates_a_currency_from_its_amount(locale, amount, currency, text):
    with use_locale(locale):
        shown = format_money(amount, currency)
    assert shown.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") == text.replace(
        "_", "\N{NO-BREAK SPACE}"
    )


@pytest.mark.parametrize("amount", [0.0, 12.5, 999.99, 1234567.0])
def test_numbers_and_amounts_are_those_of_the_unicode_locale_data(amount):
    from babel.numbers import format_currency
    from babel.numbers import format_percent as cldr_percent

    with use_locale("de"):
        text = format_money(amount, "EUR")
        whole = "" if "," in text else ",00"
        expected = format_currency(
            round(amount, 2) if "," in text else round(amount), "EUR", locale="de"
        )
        assert text.replace("\N{NO-BREAK SPACE}€", f"{whole}\N{NO-BREAK SPACE}€") == expected
        assert format_percent(0.5) == cldr_percent(0.5, locale="de")


def test_dates_and_months_follow_the_locale():
    assert format_day(date(2026, 3, 1)) == "2026-03-01"
    with use_locale("de"):
        assert format_day("2026-03-01") == "01.03.2026"
        assert format_day("no date") == "no date"
        assert month_name(3) == "März"
        assert month_name(3, is_short=True) == "Mär"


def test_a_territory_has_the_texts_of_its_language_and_its_own_numbers():
    with use_locale("de-CH"):
        assert _("Customers") == "Kunden"
        assert not re.search(r"\d[.]\d", format_number(1_234_567))


def test_plural_forms():
    with use_locale("de"):
        one, many = "{count:,} task due", "{count:,} tasks due"
        assert ngettext(one, many, 1) == "1 Aufgabe fällig"
        assert ngettext(one, many, 1200) == "1.200 Aufgaben fällig"


@pytest.mark.parametrize(
    ("number", "unit", "english", "german"),
    [
        (1.0, "months", "1 month", "1_Monat"), (1.004, "months", "1 month", "1_Monat"), (2, "days", "2 days", "2_Tage"),
        (1.4, "days", "1.4 days", "1,4_Tage"), (0.0, "days", "0 days", "0_Tage"), (21, "days", "21 days", "21_Tage"),
    ],
)  # fmt: skip
def test_the_form_of_a_unit_is_that_of_the_number_that_is_shown(number, unit, english, german):
    assert format_quantity(number, unit) == english
    assert format_interval(number, 3, unit) == f"{english.split(' ')[0]} to 3 {unit}"
    with use_locale("de"):
        assert format_quantity(number, unit) == german.replace("_", "\N{NO-BREAK SPACE}")


def test_stored_sentences_are_translated_with_their_values():
    template = "In {outside} of {groups} groups of equal size the predicted churn rate is outside the 95% interval of the observed one."
    with use_locale("de"):
        stored = template.replace("{outside}", "3").replace("{groups}", "1,000")
        assert "In 3 von 1.000 gleich" in translate_stored(stored, [template])
        assert translate_stored("Our own words.", [template]) == "Our own words."


@pytest.mark.parametrize("code", ["fr", "xx-YY", "", "../de", "de_"])
def test_an_unknown_locale_is_an_error_that_names_the_languages(code):
    with pytest.raises(ChurnkitError, match="available languages: en, de"):
        find_locale(code)


def test_locales_of_two_threads_are_apart():
    from concurrent.futures import ThreadPoolExecutor

    with use_locale("de"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(_, "Customers").result() == "Customers"
        assert _("Customers") == "Kunden"
