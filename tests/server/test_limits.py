"""The limits of the real service, asked over sockets as a careless or hostile client would."""

import json
import socket
import time

import httpx
import pytest

from churnkit.errors import ChurnkitError
from churnkit.server import serve
from churnkit.server.auth.api_keys import add_key

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def guarded(packed, tmp_path_factory):
    """The service with keys, little patience and few places."""
    folder = tmp_path_factory.mktemp("guarded")
    keys = {
        scope: add_key(folder / "keys.json", name=scope, scopes=[scope])
        for scope in ("predict", "admin")
    }
    settings = {
        "CHURNKIT_KEYS": str(folder / "keys.json"),
        "CHURNKIT_BODY_SECONDS": "0.5",
        "CHURNKIT_MAX_CONCURRENT": "3",
    }
    with serve(packed, timeout_seconds=120, settings=settings) as running:
        yield running, keys, folder / "keys.json"


def head(key, length):
    return (
        b"POST /v1/predict HTTP/1.1\r\nhost: service\r\ncontent-type: application/json\r\n"
        b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n" % (key.encode(), length)
    )


def read(connection):
    answer = b""
    while b"}" not in answer:
        got = connection.recv(65_536)
        if not got:
            break
        answer += got
    return answer


def test_keys_are_asked_for_and_rotated_without_a_restart(guarded, member):
    service, keys, file = guarded
    body = {"customers": [member(1)]}
    with httpx.Client(base_url=service.url, timeout=30) as client:

        def ask(key):
            headers = {"authorization": f"Bearer {key}"} if key else {}
            return client.post("/v1/predict", json=body, headers=headers).status_code

        assert [ask(None), ask("ck_wrong"), ask(keys["admin"]), ask(keys["predict"])] == [
            401,
            401,
            403,
            200,
        ]
        assert client.get("/metrics").status_code == 401
        new = add_key(file, name="next", scopes=["predict"])
        for _ in range(40):
            if ask(new) == 200:
                break
            time.sleep(0.1)
        assert ask(new) == 200
        assert ask(keys["predict"]) == 200


def test_a_body_that_does_not_come_is_given_up(guarded):
    service, keys, _ = guarded
    with socket.create_connection((service.host, service.port), timeout=30) as connection:
        start = time.monotonic()
        connection.sendall(head(keys["predict"], 100) + b'{"customers"')
        answer = read(connection)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert time.monotonic() - start < 10
    assert b"problem+json" in answer


def test_more_at_once_than_there_are_places_are_told_to_come_again(guarded, member):
    service, keys, _ = guarded
    waiting = [socket.create_connection((service.host, service.port), timeout=30) for _ in range(3)]
    try:
        for connection in waiting:
            connection.sendall(head(keys["predict"], 100))
        time.sleep(0.1)
        with httpx.Client(base_url=service.url, timeout=30) as client:
            answer = client.post(
                "/v1/predict",
                json={"customers": [member(1)]},
                headers={"authorization": f"Bearer {keys['predict']}"},
            )
        codes = {answer.status_code}
        codes |= {int(read(connection).split(b" ")[1]) for connection in waiting}
    finally:
        for connection in waiting:
            connection.close()
    assert codes <= {200, 408, 503}
    assert 408 in codes
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "media", ["application/vnd.bentoml+pickle", "text/plain", "multipart/form-data"]
)
def test_no_path_takes_what_could_execute(service, media):
    """A pickle that would make a file if anything loaded it."""
    import os
    import pickle

    class Harm:
        def __reduce__(self):
            return os.mkdir, ("/tmp/churnkit-pickle-was-loaded",)  # noqa: S108

    content = pickle.dumps(Harm())
    with httpx.Client(base_url=service.url, timeout=30) as client:
        paths = [
            *("/v1/predict", "/v1/explain", "/v1/recommend", "/v1/outcomes"),
            *("/predict", "/", "/schema.json", "/healthz", "/docs.json", "/v1/model"),
        ]
        for path in paths:
            answer = client.post(
                path,
                content=content,
                headers={"content-type": media, "payload-container": "default"},
            )
            assert answer.status_code in {404, 405, 415}, path
    assert not os.path.exists("/tmp/churnkit-pickle-was-loaded")  # noqa: S108, PTH110


def test_other_machines_are_not_served_without_keys(packed):
    with pytest.raises(ChurnkitError, match="churnkit keys add"), serve(packed, host="0.0.0.0"):  # noqa: S104
        raise AssertionError("it came up")


def test_answers_stay_right_under_bodies_that_are_wrong(service, member, model):
    """Right and wrong bodies over one connection, so that one cannot leak into the other."""
    right = [member(place) for place in range(5)]
    expected = [row["churn_probability"] for row in model.predict(right)]
    wrong = [b"{", b"[]", b"\xff\xfe", json.dumps({"customers": [{}]}).encode(), b" " * 1_100_000]
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for bad in wrong * 3:
            client.post("/v1/predict", content=bad, headers={"content-type": "application/json"})
            answer = client.post("/v1/predict", json={"customers": right})
            told = [row["churn_probability"] for row in answer.json()["predictions"]]
            assert told == pytest.approx(expected, abs=1e-12)
