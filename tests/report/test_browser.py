"""The page in a real browser: quiet, within its bounds, usable by keyboard, without serious faults."""

from __future__ import annotations

import shutil
import subprocess
import tarfile

import pytest

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed (extra 'test')"
)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
# Words of visible charts that run over their picture's edge, or into one another.
COLLISIONS = """() => {
  const found = [];
  for (const picture of document.querySelectorAll('.plot svg[role]')) {
    const frame = picture.getBoundingClientRect();
    if (!frame.width) continue;
    const boxes = [...picture.querySelectorAll('text')].map(
      (one) => [one.textContent, one.getBoundingClientRect()]);
    boxes.forEach(([words, box], place) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
          box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        found.push('cut: ' + words);
      for (const [other, beside] of boxes.slice(place + 1))
        if (box.left < beside.right - 1 && beside.left < box.right - 1 &&
            box.top < beside.bottom - 3 && beside.top < box.bottom - 3)
          found.push('overlap: ' + words + ' / ' + other);
    });
  }
  return found;
}"""
# Boxes that stick out of the window though nothing scrolls them, and boxes side by side that overlap.
STRAYS = """() => {
  const found = [];
  for (const one of document.querySelectorAll('main *, header *')) {
    if (one.closest('.scroll') || one.closest('svg')) continue;
    const box = one.getBoundingClientRect();
    if (box.width && (box.right > innerWidth + 1 || box.left < -1)) found.push(one.className || one.tagName);
    if (one.scrollWidth > one.clientWidth + 2 && one.clientWidth && getComputedStyle(one).display !== 'inline')
      found.push('wider than its box: ' + (one.className || one.tagName));
  }
  for (const group of document.querySelectorAll('.figures, .cards, section')) {
    const boxes = [...group.children].map((one) => one.getBoundingClientRect());
    boxes.forEach((a, place) => boxes.slice(place + 1).forEach((b) => {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
        found.push('overlap in ' + group.className + group.id);
    }));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(report, tmp_path_factory):
    return report.write(tmp_path_factory.mktemp("page") / "report.html").as_uri()


@pytest.fixture
def opened(browser, address):
    """Open the page, and note what it says to the console and asks of a network."""
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
def test_it_is_quiet_and_nothing_is_cut_or_overlaps(opened, address, width, scheme):
    page, noted = opened(width, scheme)
    assert noted == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(COLLISIONS) == []
    assert page.evaluate(STRAYS) == []


def test_each_chart_is_drawn_once_for_the_width_and_is_not_empty(opened):
    for width in WIDTHS:
        page, _ = opened(width)
        seen = page.evaluate(
            "[...document.querySelectorAll('.plot')].map((plot) => "
            "[...plot.querySelectorAll('svg[role]')].filter((one) => one.clientHeight > 20).length)"
        )
        assert set(seen) == {1}


def test_dark_and_light_differ_and_follow_the_reader(opened):
    colours = {
        scheme: opened(1280, scheme)[0].evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in SCHEMES
    }
    assert len(set(colours.values())) == len(SCHEMES)


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


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The rules of axe-core, as npm gives them."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, which fetches axe-core")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run(
        ["npm", "pack", "axe-core@4", "--silent", "--cache", str(folder / "cache")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if fetched.returncode:
        pytest.skip("npm cannot fetch axe-core here")
    (packed,) = folder.glob("axe-core-*.tgz")
    with tarfile.open(packed) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_axe_finds_no_serious_fault(opened, axe, width, scheme):
    page, _ = opened(width, scheme, bypass_csp=True)
    page.evaluate(axe)
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        (fault["id"], fault["nodes"][0]["html"][:120])
        for fault in result["violations"]
        if fault["impact"] in {"serious", "critical"}
    ]
    assert serious == []
