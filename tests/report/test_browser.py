"""The page in a browser: no errors, no overflow, keyboard access and accessibility checks."""

from __future__ import annotations

import pytest

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
pytestmark = pytest.mark.browser

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def address(report, tmp_path_factory):
    return report.write(tmp_path_factory.mktemp("page") / "report.html").as_uri()


@pytest.fixture
def opened(browser, address):
    """Open the page and record console messages and network requests."""
    contexts = []

    def opened(width=1280, scheme="light", **settings):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **settings
        )
        contexts.append(context)
        page = context.new_page()
        noted = []
        page.on("console", lambda message: noted.append(message.text))
        page.on("pageerror", lambda error: noted.append(str(error)))
        page.on("request", lambda request: noted.append(request.url))
        page.goto(address)
        return page, noted

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_loads_without_errors_and_nothing_is_cut_or_overlaps(
    opened, faults_of, address, width, scheme
):
    page, noted = opened(width, scheme)
    assert noted == [address]
    assert faults_of(page) == []


def test_each_chart_is_drawn_once_per_width_and_is_not_empty(opened):
    for width in WIDTHS:
        page, _ = opened(width)
        seen = page.evaluate(
            "[...document.querySelectorAll('.plot')].map((plot) => "
            "[...plot.querySelectorAll('svg[role]')].filter((one) => one.clientHeight > 20).length)"
        )
        assert set(seen) == {1}


def test_dark_and_light_differ_and_follow_the_reader(opened):
    colors = {
        scheme: opened(1280, scheme)[0].evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in SCHEMES
    }
    assert len(set(colors.values())) == len(SCHEMES)


def test_the_keyboard_reaches_the_content_the_sections_and_the_numbers(opened):
    page, _ = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.tagName"))
    assert {"SUMMARY", "DIV"} <= reached
    page.focus("summary")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('details').open")


def test_on_paper_the_navigation_is_gone_and_the_charts_stay(opened):
    page, _ = opened()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.evaluate("document.querySelector('.plot svg[role]').clientHeight") > 20
    assert page.pdf()[:4] == b"%PDF"


@pytest.mark.slow
def test_axe_finds_no_fault_of_any_grade(opened, looks, axe):
    page, _ = opened(bypass_csp=True)
    for look in looks(page):
        assert axe(page) == [], look
