"""``churnkit alert`` against a Slack server on loopback."""

from __future__ import annotations

import json

import pandas as pd

from churnkit.cli.main import run
from tests.connect.servers.asgi import serving
from tests.connect.servers.receivers import SlackServer
from tests.connect.servers.sample import WallClock

SOURCES = """
from churnkit.connect import Alerts, Destinations, Env, RiskRise, SlackMessages

destinations = Destinations(
    team=SlackMessages(Env("SLACK_URL"), text="{customer}: {reason} {link}")
)
alerts = Alerts(RiskRise(0.2), to="team", link="https://console.example.com/{customer}")
"""


def test_an_alert_arrives_once(tmp_path, monkeypatch, capsys):
    server = SlackServer(WallClock())
    for name, risk in (("now.csv", [0.6, 0.2]), ("earlier.csv", [0.3, 0.2])):
        frame = pd.DataFrame({"customer_id": ["c0", "c1"], "churn_probability": risk})
        frame.to_csv(tmp_path / name, index=False)
    (tmp_path / "sources.py").write_text(SOURCES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHURNKIT_JOURNAL", f"sqlite:///{tmp_path / 'journal.db'}")
    command = ["alert", "now.csv", "--earlier", "earlier.csv", "--json"]
    with serving(server) as address:
        monkeypatch.setenv("SLACK_URL", f"{address}/services/{server.token}")
        assert run([*command, "--dry-run"]) == 0
        assert json.loads(capsys.readouterr().out)["waiting"] == 1
        for before in (0, 1):
            assert run(command) == 0
            report = json.loads(capsys.readouterr().out)
            assert (report["sent"], report["before"]) == (1 - before, before)
        assert run(["alert", "now.csv", "--table", "surveys"]) == 1
    assert server.texts == ["c0: churn risk 60%, up from 30% https://console.example.com/c0"]
