"""The summary of a report as text, and its way to a chat."""

from __future__ import annotations

from churnkit.cli.main import run
from churnkit.report import write_digest
from tests.connect.servers.asgi import serving
from tests.connect.servers.receivers import SlackServer
from tests.connect.servers.sample import WallClock

SOURCES = """
from churnkit.connect import Destinations, Env, SlackMessages

destinations = Destinations(team=SlackMessages(Env("SLACK_URL"), text="{summary}\\n{link}"))
"""
SUBSCRIPTIONS = "customer,started,ended,mrr\na,2025-01-05,,10\nb,2025-01-09,2025-02-07,5\n"


def test_the_digest_has_the_figures_and_steps_of_the_summary(report):
    text = write_digest(report)
    section = report.sections[0]
    assert text.splitlines()[0] == f"{report.title}, as of {report.as_of}"
    assert section.lead in text
    for block in section.blocks:
        for item in getattr(block, "figures", ()) or getattr(block, "cards", ()):
            assert item.title in text


def test_a_report_is_sent_to_a_chat(tmp_path, monkeypatch, capsys):
    server = SlackServer(WallClock())
    (tmp_path / "subscriptions.csv").write_text(SUBSCRIPTIONS)
    (tmp_path / "sources.py").write_text(SOURCES)
    monkeypatch.chdir(tmp_path)
    command = ["report", "--table", "subscriptions=subscriptions.csv", "--title", "Retention"]
    command += ["--send", "team", "--link", "https://example.com/report"]
    with serving(server) as address:
        monkeypatch.setenv("SLACK_URL", f"{address}/services/{server.token}")
        assert run(command) == 0, capsys.readouterr().err
        monkeypatch.setenv("SLACK_URL", f"{address}/services/other")
        assert run(command) == 1
    (text,) = server.texts
    assert text.startswith("Retention, as of 2025-01-10")
    assert text.endswith("https://example.com/report")
