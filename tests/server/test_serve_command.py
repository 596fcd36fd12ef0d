"""`churnkit serve` as an operator runs it: settings from a file, its log as JSON lines, SIGTERM."""

import json
import os
import signal
import subprocess
import sys

import httpx
import pytest

pytestmark = pytest.mark.server

START = "from churnkit.cli import main; main()"


def test_all_of_its_terminal_is_json_and_the_file_of_settings_holds(
    bento_home, bundle, member, tmp_path
):
    (tmp_path / "service.toml").write_text('max_rows = 2\nmax_row = 5\nspool = "spool"\n')
    command = [sys.executable, "-c", START, "serve", "--model", str(bundle), "--port", "0"]
    with subprocess.Popen(
        [*command, "--config", "service.toml", "--log", "json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        messages: list[str] = []
        try:
            for line in process.stderr:
                messages.append(json.loads(line)["message"])
                if messages[-1].startswith("ready: "):
                    break
            assert messages, process.wait()
            url = messages[-1].split()[1].removesuffix(";")
            rows = [member(place) for place in range(3)]
            answers = [
                httpx.post(url, json={"customers": rows[:size]}, timeout=30).status_code
                for size in (2, 3)
            ]
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
            code = process.wait(60)
    messages += [json.loads(line)["message"] for line in rest.splitlines()]
    assert answers == [200, 422]
    assert code == 128 + signal.SIGTERM
    assert any("CHURNKIT_MAX_ROW is no setting" in message for message in messages)
