"""The report as PDF."""

from __future__ import annotations

import shutil
import stat

import pytest

from churnkit.errors import ChurnkitError
from churnkit.report.pdf import find_browser, write_pdf

pytest.importorskip("jinja2", reason="the extra 'report' is not installed")


@pytest.fixture
def failing_browser(tmp_path, monkeypatch):
    """Function that installs a browser which runs a shell command."""

    def install(command):
        program = tmp_path / "browser"
        program.write_text(f"#!/bin/sh\n{command}\n")
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("CHURNKIT_BROWSER", str(program))

    return install


@pytest.mark.browser
def test_a_report_is_printed_with_its_text(report, tmp_path, monkeypatch):
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed")
    monkeypatch.delenv("CHURNKIT_BROWSER", raising=False)
    written = report.write(tmp_path / "report.pdf")
    content = written.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert content.count(b"/Type /Page\n") > 3
    assert [path.name for path in tmp_path.iterdir()] == ["report.pdf"]


def test_a_missing_browser_is_named_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("CHURNKIT_BROWSER", str(tmp_path / "nothing"))
    with pytest.raises(ChurnkitError, match=r"CHURNKIT_BROWSER names no program.*print it"):
        find_browser()
    monkeypatch.delenv("CHURNKIT_BROWSER")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChurnkitError, match="install Chromium"):
        find_browser()


@pytest.mark.parametrize(
    ("command", "message"),
    [("exit 1", "could not print"), ("exit 0", "could not print")],
)
def test_a_failing_browser_leaves_the_old_file(failing_browser, tmp_path, command, message):
    failing_browser(command)
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-old")
    with pytest.raises(ChurnkitError, match=message):
        write_pdf("<p>x</p>", path)
    assert path.read_bytes() == b"%PDF-old"


def test_output_that_is_no_pdf_is_refused(failing_browser, tmp_path):
    failing_browser(
        'for a in "$@"; do case $a in --print-to-pdf=*) echo x > "${a#*=}";; esac; done'
    )
    with pytest.raises(ChurnkitError, match="has written no PDF"):
        write_pdf("<p>x</p>", tmp_path / "report.pdf")
