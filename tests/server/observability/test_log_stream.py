"""Lines of a growing file are passed on as they come, whole, and as JSON if asked."""

import json
import time

import pytest

from churnkit.server import serve
from churnkit.server.observability.log_stream import as_json_line, stream_log


def test_lines_are_passed_on_whole_and_in_order(tmp_path):
    file = tmp_path / "log"
    file.write_text("before\n")
    lines: list[str] = []
    with stream_log(file, lines.append), file.open("a") as stream:
        time.sleep(0.1)
        for part in ("fir", "st\nsecond\n", "thi", "rd\n", "\u00e9\n"):
            stream.write(part)
            stream.flush()
    assert lines == ["first", "second", "third", "\u00e9"]


def test_the_last_line_of_a_crash_is_passed_on(tmp_path):
    file = tmp_path / "log"
    file.write_text("")
    lines: list[str] = []
    with stream_log(file, lines.append):
        time.sleep(0.1)
        file.write_text("one\nfatal: no newline")
    assert lines == ["one", "fatal: no newline"]


@pytest.mark.parametrize(
    "line", ["", "plain", "12", "[1]", '"text"', "{", "\x1b[32mgreen\x1b[0m", "[" * 100_000]
)
def test_any_other_line_becomes_a_json_object(line):
    document = json.loads(as_json_line(line))
    assert set(document) == {"time", "level", "logger", "message"}
    assert "\x1b" not in document["message"]


@pytest.mark.server
def test_all_lines_of_a_real_service_are_json(packed, member):
    import httpx

    lines: list[str] = []
    settings = {"CHURNKIT_LOG": "json", "CHURNKIT_MAX_ROW": "5"}
    with serve(packed, timeout_seconds=120, settings=settings, echo=lines.append) as service:
        httpx.post(f"{service.url}/v1/predict", json={"customers": [member(1)]}, timeout=30)
    documents = [json.loads(as_json_line(line)) for line in lines]
    assert any("CHURNKIT_MAX_ROW is no setting" in document["message"] for document in documents)
    assert all(document["level"] and document["time"] for document in documents)
    assert member(1)["member_id"] not in " ".join(lines).split()
