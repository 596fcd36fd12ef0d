"""``churnkit pull`` and ``churnkit connect check`` against servers on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest

from churnkit.cli.main import run
from tests.connect.servers.asgi import serving
from tests.connect.servers.faults import Faults
from tests.connect.servers.hubspot import HubSpotServer
from tests.connect.servers.sample import WallClock

SOURCES = """
from churnkit.connect import Env, HubSpot, Sources

sources = Sources(
    crm=HubSpot(key=Env("PROVIDER_KEY"), base_url={url!r}, streams=("contacts",))
)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder with a server of 900 contacts; yields folder and server."""
    server = HubSpotServer(WallClock())
    for number in range(1, 901):
        server.put("contacts", str(number), plan="a", seats=str(number % 7))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROVIDER_KEY", "secret-canary")
    (tmp_path / "training").mkdir()
    with serving(server) as url:
        (tmp_path / "sources.py").write_text(SOURCES.format(url=url))
        yield tmp_path, server


def test_a_pull_writes_tables_and_names_the_next_command(project, capsys):
    folder, server = project
    assert run(["connect", "check", "--json"]) == 0
    (check,) = json.loads(capsys.readouterr().out)
    assert check["problem"] is None
    assert run(["pull", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["streams"][0]["mode"] == "full"
    assert run(["pull", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["streams"][0]["new"] == 900
    assert "churnkit init . --from" in shown.err
    assert pq.read_table(folder / "data" / "crm_contacts.parquet").num_rows == 900
    server.token = "changed"  # noqa: S105
    assert run(["connect", "check"]) == 1
    assert run(["pull"]) == 1
    shown = capsys.readouterr()
    assert "401" in shown.err
    assert "canary" not in shown.out + shown.err


def test_a_pull_that_is_killed_continues_with_the_same_result(project, monkeypatch):
    folder, server = project
    server.faults = Faults(5, rate=0.1, kinds=("torn", "500"))
    script = (
        "import churnkit.connect.ingestion.stream_pull as e; e._GROUP_ROWS = 100; "
        "from churnkit.cli import main; main(['pull'])"
    )
    manifest = folder / ".churnkit" / "pulls" / "crm" / "contacts" / "manifest.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", script], env=environment)
    deadline = time.monotonic() + 60
    while not (manifest.exists() and json.loads(manifest.read_bytes())["parts"]):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads(manifest.read_bytes())["pending"]
    server.faults = Faults()
    before = len(server.requests)
    assert run(["pull"]) == 0
    assert len(server.requests) - before < 11
    rows = pq.read_table(folder / "data" / "crm_contacts.parquet")["id"].to_pylist()
    assert rows == [str(number) for number in range(1, 901)]
