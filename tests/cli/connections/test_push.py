"""``churnkit push`` against a server on loopback."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from churnkit.cli.main import run
from churnkit.journal import DecisionRecord, Journal
from tests.connect.servers.asgi import serving
from tests.connect.servers.hubspot import HubSpotServer
from tests.connect.servers.sample import WallClock

SOURCES = """
from churnkit.connect import Destinations, Env, HubSpotRecords

destinations = Destinations(crm=HubSpotRecords(key=Env("PROVIDER_KEY"), base_url={url!r}))
"""
AT = datetime(2026, 11, 2, tzinfo=UTC)


def test_a_plan_is_pushed_once_and_undone(tmp_path, monkeypatch, capsys):
    server = HubSpotServer(WallClock())
    records = []
    for i in range(3):
        server.put("contacts", str(i + 1), customer_id=f"c{i}")
        records.append(
            DecisionRecord(
                f"k{i}", f"c{i}", AT, AT, "shop", period="2026-11", action="call", propensity=0.9
            )
        )
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    with Journal.open(url) as journal:
        journal.record(records)
    plan = pa.table({"customer_id": ["c0", "c1", "c2"], "action": ["call", "call", None]})
    pq.write_table(plan, tmp_path / "plan.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROVIDER_KEY", "secret-canary")
    monkeypatch.setenv("CHURNKIT_JOURNAL", url)
    with serving(server) as address:
        (tmp_path / "sources.py").write_text(SOURCES.format(url=address))
        assert run(["push", "plan.parquet", "--to", "crm", "--dry-run", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["waiting"] == 2
        for before in (0, 2):
            assert run(["push", "plan.parquet", "--to", "crm", "--json"]) == 0
            report = json.loads(capsys.readouterr().out)
            assert (report["sent"], report["before"]) == (2 - before, before)
        assert server.objects["contacts"]["1"]["properties"]["churnkit_action"] == "call"
        assert run(["push", "--undo", "2026-11", "--to", "crm", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["sent"] == 2
        assert run(["push", "plan.parquet", "--to", "other"]) == 1
        assert run(["push", "--to", "crm"]) == 1
