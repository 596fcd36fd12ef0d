"""Reports are built once each; those of restricted visitors leave the full one in place."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

from churnkit.console.pages.report_page import ReportPages
from churnkit.core.translation import active_locale, use_locale
from churnkit.errors import ChurnkitError

WAIT = 30


def rows_of(number):
    return np.arange(64) == number


@pytest.fixture
def reports(monkeypatch):
    """Reports whose pages are their number, and the list of what was built."""
    context: Any = None
    pages, built = ReportPages(context, None), []

    def build(selected, visible):
        built.append((dict(selected), None if visible is None else int(np.argmax(visible))))
        return f"page {len(built)}"

    monkeypatch.setattr(pages, "_build", build)
    return pages, built


def test_the_full_report_outlasts_those_of_many_assignments(reports):
    pages, built = reports
    full = pages.cached({})
    with use_locale("de"):
        german = pages.cached({})
    for number in range(40):
        pages.cached({}, rows_of(number))
        pages.cached({"plan": str(number)})
    assert len(built) == 2 + 80
    assert pages.cached({}) == full
    with use_locale("de"):
        assert pages.cached({}) == german != full
    assert len(built) == 2 + 80
    assert len(pages._parts) == 16


def test_a_part_that_is_read_again_is_kept_before_older_ones(reports):
    pages, built = reports
    for number in range(17):
        pages.cached({}, rows_of(number))
        pages.cached({}, rows_of(0))
    pages.cached({}, rows_of(1))
    assert [number for _, number in built] == [*range(17), 1]


def test_a_report_is_built_once_and_hinders_no_other(reports, monkeypatch):
    pages, built = reports
    build, begun, finished = pages._build, threading.Event(), threading.Event()

    def build_slowly(selected, visible):
        if selected:
            begun.set()
            assert finished.wait(WAIT)
            assert threading.current_thread().daemon  # so that the console can end
        return build(selected, visible)

    monkeypatch.setattr(pages, "_build", build_slowly)
    with ThreadPoolExecutor(4) as pool:
        slow = [pool.submit(pages.cached, {"plan": "pro"}) for _ in range(3)]
        assert begun.wait(WAIT)
        try:
            other = pool.submit(pages.cached, {}).result(WAIT)
        finally:
            finished.set()
        assert {page.result(WAIT) for page in slow} == {"page 2"}
    assert other == "page 1"
    assert built == [({}, None), ({"plan": "pro"}, None)]
    assert not pages._builds


def test_a_report_that_fails_is_tried_again(reports, monkeypatch):
    pages, _ = reports
    build = pages._build

    def fail(*_):
        raise ChurnkitError("4 customers match")

    monkeypatch.setattr(pages, "_build", fail)
    with pytest.raises(ChurnkitError, match="4 customers"):
        pages.cached({})
    assert not pages._builds
    monkeypatch.setattr(pages, "_build", build)
    assert pages.cached({}) == "page 1"


def test_a_slow_report_is_announced_by_a_page_with_a_link_to_it(work, monkeypatch):
    finished = threading.Event()

    def build(_pages, _selected, _visible):
        assert finished.wait(WAIT)
        return f"<p>the report in {active_locale().language}</p>"

    monkeypatch.setattr(ReportPages, "_build", build)
    monkeypatch.setattr("churnkit.console.pages.report_page._WAIT_SECONDS", 0.01)
    browser, german = work()[0], {"accept-language": "de"}
    try:
        waiting = browser.get("/report", headers=german)
        assert waiting.status_code == 202
        assert 'wird erstellt. <a href="/report">Bericht anzeigen</a>' in waiting.text
        # Other pages answer in the meantime.
        assert browser.get("/", headers=german).status_code == 200
    finally:
        finished.set()
    monkeypatch.setattr("churnkit.console.pages.report_page._WAIT_SECONDS", WAIT)
    assert browser.get("/report", headers=german).text == "<p>the report in de</p>"
    assert browser.get("/report").text == "<p>the report in en</p>"


def test_a_slow_report_that_fails_says_so_at_the_next_visit(work, monkeypatch):
    finished, builds = threading.Event(), []

    def fail(*_):
        builds.append(1)
        assert finished.wait(WAIT)
        raise ChurnkitError("4 customers match")

    monkeypatch.setattr(ReportPages, "_build", fail)
    monkeypatch.setattr("churnkit.console.pages.report_page._WAIT_SECONDS", 0.01)
    browser = work()[0]
    try:
        assert browser.get("/report?f.plan=basic").status_code == 202
    finally:
        finished.set()
    monkeypatch.setattr("churnkit.console.pages.report_page._WAIT_SECONDS", WAIT)
    answer = browser.get("/report?f.plan=basic")
    assert answer.status_code == 400
    assert "4 customers match" in answer.text
    assert len(builds) == 1


def test_reports_that_wait_to_be_built_are_limited(reports, monkeypatch):
    pages, built = reports
    build, finished = pages._build, threading.Event()

    def build_slowly(*arguments):
        assert finished.wait(WAIT)
        return build(*arguments)

    monkeypatch.setattr(pages, "_build", build_slowly)
    with ThreadPoolExecutor(16) as pool:
        waiting = [pool.submit(pages.cached, {"plan": str(number)}) for number in range(16)]
        while len(pages._builds) < 16:
            threading.Event().wait(0.01)
        try:
            with pytest.raises(ChurnkitError, match="Too many reports"):
                pages.cached({"plan": "another"})
        finally:
            finished.set()
        assert all(page.result(WAIT) for page in waiting)
    assert len(built) == 16
    assert pages.cached({"plan": "another"}) == "page 17"
