"""The real service over real HTTP: BentoML's supervisor and worker, behind loopback."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil  # type: ignore[import-untyped]
import pytest

from churnkit.errors import ChurnkitError
from churnkit.server import Server, serve

pytestmark = pytest.mark.server

QUESTIONS = ("predict", "explain", "recommend")


@pytest.fixture(scope="module")
def client(service):
    with httpx.Client(base_url=service.url, timeout=30) as client:
        yield client


def test_every_question_is_answered_as_the_library_answers(client, member, model):
    plain = [member(place) for place in range(400)]
    decided = [member(place, decide=True) for place in range(400)]
    answers = {
        "predict": (plain, model.predict(plain)),
        "explain": (plain, model.explain(plain)),
        "recommend": (decided, model.recommend(decided)),
    }
    for question, (members, expected) in answers.items():
        answer = client.post(f"/v1/{question}", json={"customers": members})
        assert answer.status_code == 200
        assert answer.json()["model"]["digest"] == model.digest
        for got, row in zip(answer.json()["predictions"], expected, strict=True):
            probability = got["churn_probability"]
            assert probability == pytest.approx(row["churn_probability"], abs=1e-12)
            assert got.pop("prediction_id")
            assert got == {name: row[name] for name in got}


def test_one_row_a_request_gives_the_same_numbers(client, member, model):
    members = [member(place) for place in range(100)]
    for one, row in zip(members, model.predict(members), strict=True):
        [got] = client.post("/v1/predict", json={"customers": [one]}).json()["predictions"]
        assert abs(got["churn_probability"] - row["churn_probability"]) <= 1e-12


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/v1/model", "application/json"),
        ("/openapi.json", "application/json"),
        ("/livez", "text/plain"),
        ("/readyz", "text/plain"),
        ("/metrics", "text/plain"),
    ],
)
def test_what_can_be_looked_at_answers(client, path, media):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media)


def test_the_reference_page_is_ours_where_bentoml_has_one(client):
    assert "<h2>POST /v1/predict</h2>" in client.request("GET", "/docs").text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/docs.json", 404),
        ("POST", "/v1/nothing", 404),
        ("GET", "/v1/predict", 405),
        ("POST", "/readyz", 405),
        ("POST", "/metrics", 405),
    ],
)
def test_refusals_are_ours_also_where_bentoml_would_answer(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["//", "///", "//v1/model", "/./", "/v1/../v1/model"])
def test_a_path_is_not_normalized(service, path):
    with socket.create_connection((service.host, service.port), timeout=30) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: service\r\n\r\n".encode())
        answer = connection.recv(65_536)
    assert b" 404 " in answer.split(b"\r\n")[0]
    assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"customers": [{"fee": NaN}]}', {}, 400),
        (b'{"customers": [{"fee": ' + b"[" * 100_000, {}, 400),
        (b'{"customers": []}', {}, 422),
        (b'{"customers": [{}]}', {}, 422),
        (b'{"customers": [' + b"{}," * 1_000 + b"{}]}", {}, 422),
        (b" " * 1_000_001, {}, 413),
        (b" " * 3_000_000, {}, 413),
        (b"{}", {"content-type": "application/vnd.bentoml+pickle"}, 415),
        (b"{}", {"content-encoding": "gzip"}, 415),
    ],
    ids=["half", "nan", "deep", "empty", "bare", "rows", "large", "larger", "pickle", "gzip"],
)
def test_bad_bodies_are_refused(client, content, headers, status):
    said = {"content-type": "application/json"} | headers
    answer = client.post("/v1/predict", content=content, headers=said)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_a_body_without_a_length_is_cut_off(client):
    chunks = (b" " * 100_000 for _ in range(20))
    answer = client.post(
        "/v1/predict", content=chunks, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413


def test_a_body_without_an_end_is_cut_off(service):
    with socket.create_connection((service.host, service.port), timeout=30) as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nhost: service\r\n"
            b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        sent = 0
        try:
            while sent < 50_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
        except (ConnectionError, TimeoutError):
            pass
    assert sent < 50_000_000


def test_many_clients_at_once_get_each_their_own_answer(client, service, member, model):
    members = [member(place) for place in range(160)]
    expected = {row["member_id"]: row["churn_probability"] for row in model.predict(members)}

    def ask(of):
        with httpx.Client(base_url=service.url, timeout=30) as own:
            rows = []
            for one in of:
                rows += own.post("/v1/predict", json={"customers": [one]}).json()["predictions"]
            return rows

    with ThreadPoolExecutor(8) as pool:
        rows = [row for part in pool.map(ask, [members[i::8] for i in range(8)]) for row in part]
    got = {row["member_id"]: row["churn_probability"] for row in rows}
    assert got == pytest.approx(expected, abs=1e-12)


def test_metrics_count_what_was_asked(client, member):
    def count(text, name):
        lines = [line for line in text.splitlines() if line.startswith(name)]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    rows = 'churnkit_rows_scored_total{route="/v1/explain"}'
    refused = 'churnkit_refusals_total{rule="ge(0)"}'
    before = client.get("/metrics").text
    client.post("/v1/explain", json={"customers": [member(place) for place in range(5)]})
    client.post("/v1/predict", json={"customers": [member() | {"tenure": -1}]})
    client.get("/nowhere/anna-7431")
    after = client.get("/metrics").text
    assert count(after, rows) - count(before, rows) == 5
    assert count(after, refused) - count(before, refused) == 1
    assert "anna-7431" not in after


CANARIES = ("canary-4711", "48151623.42", "4711-canary@example.org")


def test_no_customer_s_value_is_ever_logged_and_no_process_is_left(packed, member):
    """Every road a value can take, good and bad; then all that the processes printed is read."""
    text, number, mail = CANARIES
    with serve(packed, timeout_seconds=120) as service:
        log, folder = service.log, service.log.parent
        supervisor = psutil.Process(service.process.pid)
        processes = [supervisor, *supervisor.children(recursive=True)]
        good = member(1, decide=True) | {"member_id": mail, "city": text}
        bad = [
            good | {"tenure": text},
            good | {"fee": float(number)},
            good | {"plan": text},
            good | {text: text},
            good | {"phone": mail},
            {},
        ]
        with httpx.Client(base_url=service.url, timeout=30) as client:
            for question in QUESTIONS:
                for row in (good, *bad):
                    client.post(f"/v1/{question}", json={"customers": [row, row]})
                for body in (b'{"customers": [{"a": "%s' % text.encode(), text.encode() * 200_000):
                    client.post(
                        f"/v1/{question}",
                        content=body,
                        headers={"content-type": "application/json"},
                    )
                client.post(f"/v1/{question}", content=text, headers={"content-type": text})
                client.get(f"/v1/{question}/{text}", params={"customer": mail})
        connection = http.client.HTTPConnection(service.host, service.port, timeout=30)
        connection.request(text.upper().replace("-", ""), f"/{text}")
        connection.getresponse().read()
        connection.close()
        with socket.create_connection((service.host, service.port), timeout=30) as raw:
            raw.sendall(f"{text}\r\n{text}: {mail}\r\n\r\n".encode())
            raw.recv(1_000)
        printed = log.read_text()
    assert "initialized" in printed
    for canary in (*CANARIES, text.upper().replace("-", "")):
        assert canary not in printed
    assert len(processes) >= 2
    assert not [process for process in processes if process.is_running()]
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((service.host, service.port), timeout=5)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_service_and_its_workers(packed, number):
    script = (
        "import sys, json, psutil\n"
        "from churnkit.server import serve\n"
        f"with serve({packed!r}, timeout_seconds=120) as service:\n"
        "    own = psutil.Process(service.process.pid)\n"
        "    pids = [own.pid, *(child.pid for child in own.children(recursive=True))]\n"
        "    print(json.dumps(pids), flush=True)\n"
        "    service.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        assert program.stdout is not None
        started = [psutil.Process(pid) for pid in json.loads(program.stdout.readline())]
        os.kill(program.pid, number)
        assert program.wait(60) != 0
    _, left = psutil.wait_procs(started, timeout=10)
    assert len(started) >= 2
    assert not left


def test_a_port_that_is_taken_is_told(packed, service):
    with (
        pytest.raises(ChurnkitError, match="before it was ready"),
        serve(packed, port=service.port, timeout_seconds=20),
    ):
        raise AssertionError("it came up")


def test_a_service_that_ends_by_itself_is_told_with_its_last_lines(tmp_path):
    log = tmp_path / "service.log"
    log.write_text("the last words\n")
    ended = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(ChurnkitError, match=r"code 3:\nthe last words"):
        Server("127.0.0.1", 1, ended, log).wait()
