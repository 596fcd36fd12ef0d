import json
import os
import time

import pytest

from churnkit.errors import ChurnkitError
from churnkit.server import create_app
from churnkit.server.auth.access_control import is_loopback, refuse_public_host
from churnkit.server.auth.api_keys import KeyRing, add_key, read_keys, remove_key

JSON = "application/json"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.json"


def name_of(ring, key):
    found = ring.find(key)
    return found and found.name


def bearer(key):
    return {"content-type": JSON, "authorization": f"Bearer {key}"}


def test_a_key_is_kept_only_as_a_digest_in_a_file_of_its_owner(file):
    key = add_key(file, name="crm", scopes=["predict"])
    assert key.startswith("ck_")
    assert key.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    [known] = read_keys(file)
    assert known.name == "crm"
    assert known.scopes == {"predict"}
    assert KeyRing(file).find(key) == known


def test_only_the_whole_key_opens(file):
    key = add_key(file, name="crm", scopes=["predict"])
    add_key(file, name="other", scopes=["admin"])
    ring = KeyRing(file)
    last = "A" if key[-2] != "A" else "B"
    for wrong in (
        "",
        key[:-1],
        key + "x",
        key[:-2] + last + key[-1],
        key.upper(),
        "ck_" + "0" * 12 + "_" + "x" * 43,
        key.replace("ck_", ""),
        "Bearer " + key,
    ):
        assert ring.find(wrong) is None
    assert name_of(ring, key) == "crm"


def test_keys_are_read_again_when_the_file_changes_and_stay_when_it_breaks(file, monkeypatch):
    monkeypatch.setattr("churnkit.server.auth.api_keys._LOOK_SECONDS", 0.0)
    old = add_key(file, name="old", scopes=["predict"])
    ring = KeyRing(file)
    new = add_key(file, name="new", scopes=["predict"])
    assert name_of(ring, new) == "new"
    remove_key(file, old.split("_")[1])
    assert ring.find(old) is None
    whole = file.read_text()
    file.write_text("{")
    assert name_of(ring, new) == "new"
    file.unlink()
    assert name_of(ring, new) == "new"
    file.write_text(whole.replace('"new"', '"newer"'))
    file.chmod(0o600)
    assert name_of(ring, new) == "newer"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file.unlink(), "cannot be read"),
        (lambda file: file.write_text("{"), "not JSON"),
        (lambda file: file.write_text("[]"), "not a key file"),
        (lambda file: file.write_text('{"keys": [{}]}'), "not a key file"),
        (lambda file: file.write_text(file.read_text().replace("predict", "root")), "scope"),
        (lambda file: file.chmod(0o622), "writable by other users"),
    ],
)
def test_a_file_that_is_none_of_keys_is_refused(file, change, said):
    add_key(file, name="crm", scopes=["predict"])
    change(file)
    with pytest.raises(ChurnkitError, match=said):
        KeyRing(file)


def test_a_file_whose_digest_is_cut_is_refused(file):
    add_key(file, name="crm", scopes=["predict"])
    text = json.loads(file.read_text())
    text["keys"][0]["sha256"] = text["keys"][0]["sha256"][:32]
    file.write_text(json.dumps(text))
    with pytest.raises(ChurnkitError, match="not a key file"):
        read_keys(file)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "", "scopes": ["predict"]},
        {"name": "a\nb", "scopes": ["predict"]},
        {"name": "crm", "scopes": []},
        {"name": "crm", "scopes": ["root"]},
        {"name": "crm", "scopes": ["predict"], "rate": 0},
    ],
)
def test_a_key_that_says_nothing_sensible_is_not_made(file, settings):
    with pytest.raises(ChurnkitError):
        add_key(file, **settings)
    assert not file.exists()


def test_a_key_that_is_not_there_cannot_be_removed(file):
    add_key(file, name="crm", scopes=["predict"])
    with pytest.raises(ChurnkitError, match="has no key"):
        remove_key(file, "ck")


QUESTIONS = {
    "/v1/predict": "predict",
    "/v1/explain": "predict",
    "/v1/recommend": "recommend",
    "/metrics": "admin",
}


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_key_opens_the_doors_of_its_scopes_and_no_others(ask, model, member, file, path):
    needed = QUESTIONS[path]
    keys = {
        scope: add_key(file, name=scope, scopes=[scope])
        for scope in ("predict", "recommend", "outcomes", "admin")
    }
    app = create_app(model, keys=str(file))
    body = None if path == "/metrics" else {"customers": [member(decide=needed == "recommend")]}
    for scope, key in keys.items():
        answer = ask(path, body or b"", method=None if body else "GET", headers=bearer(key), to=app)
        assert answer.status_code == (200 if scope == needed else 403)
    for headers in ({"content-type": JSON}, bearer("ck_x"), bearer(keys[needed] + "x")):
        answer = ask(path, body or b"", method=None if body else "GET", headers=headers, to=app)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["type"] == "urn:churnkit:problem:key"


def test_what_the_service_is_takes_any_key_and_probes_take_none(ask, model, file):
    key = add_key(file, name="crm", scopes=["outcomes"])
    app = create_app(model, keys=str(file))
    for path in ("/v1/model", "/openapi.json"):
        assert ask(path, to=app).status_code == 401
        assert ask(path, b"", method="GET", headers=bearer(key), to=app).status_code == 200
    assert ask("/livez", to=app).status_code == ask("/readyz", to=app).status_code == 200


def test_a_key_may_ask_so_often_and_is_told_when_to_come_again(ask, model, member, file):
    slow = add_key(file, name="slow", scopes=["predict"], rate=0.2, burst=3)
    other = add_key(file, name="other", scopes=["predict"])
    app = create_app(model, keys=str(file))
    body = {"customers": [member()]}
    codes = [ask("/v1/predict", body, headers=bearer(slow), to=app) for _ in range(5)]
    assert [answer.status_code for answer in codes] == [200, 200, 200, 429, 429]
    assert 1 <= int(codes[-1].headers["retry-after"]) <= 5
    assert ask("/v1/predict", body, headers=bearer(other), to=app).status_code == 200


def test_the_time_of_a_refusal_does_not_tell_how_much_of_a_key_is_right(file):
    key = add_key(file, name="crm", scopes=["predict"])
    ring = KeyRing(file)
    near, far = key[:-1] + ("A" if key[-1] != "A" else "B"), "ck_" + "0" * 12 + "_" + "x" * 43

    def seconds(presented):
        start = time.perf_counter()
        for _ in range(300):
            ring.find(presented)
        return time.perf_counter() - start

    least = {name: min(seconds(name) for _ in range(15)) for name in (near, far)}
    assert 1 / 3 < least[near] / least[far] < 3


def test_without_keys_only_this_machine_is_answered(ask, model, member):
    app = create_app(model)

    def elsewhere(app):
        async def moved(scope, receive, send):
            await app({**scope, "client": ("192.0.2.7", 4711)}, receive, send)

        return moved

    body = {"customers": [member()]}
    answer = ask("/v1/predict", body, to=elsewhere(app))
    assert answer.status_code == 403
    assert "--keys" in answer.json()["detail"]
    assert ask("/v1/model", to=elsewhere(app)).status_code == 403
    assert ask("/readyz", to=elsewhere(app)).status_code == 200
    opened = create_app(model, open=True)
    assert ask("/v1/predict", body, to=elsewhere(opened)).status_code == 200


def test_more_than_the_given_number_at_once_are_told_to_come_again(ask, model, member):
    app = create_app(model, max_concurrent=2)
    app.access.enter()
    app.access.enter()
    answer = ask("/v1/predict", {"customers": [member()]}, to=app)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    app.access.leave()
    assert ask("/v1/predict", {"customers": [member()]}, to=app).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "service.example.org", ""])  # noqa: S104
def test_a_public_door_without_keys_is_refused(host):
    assert not is_loopback(host)
    with pytest.raises(ChurnkitError, match="churnkit keys add"):
        refuse_public_host(host, keys=None, is_open=False)
    refuse_public_host(host, keys="keys.json", is_open=False)
    refuse_public_host(host, keys=None, is_open=True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"]
)
def test_a_door_to_this_machine_needs_no_keys(host):
    assert is_loopback(host)
    refuse_public_host(host, keys=None, is_open=False)


def test_the_gate_of_a_missing_file_stays_shut(model, tmp_path):
    with pytest.raises(ChurnkitError, match="cannot be read"):
        create_app(model, keys=os.fspath(tmp_path / "none.json"))


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:3000"},
        {"host": "10.0.0.5"},
        {"host": "[2001:db8::1]:3000"},
        {"host": "localhost.evil.example"},
        {"x-forwarded-for": "203.0.113.9"},
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=203.0.113.9"},
        {"x-real-ip": "203.0.113.9"},
        {"x-forwarded-host": "churn.example"},
    ],
)
def test_without_keys_neither_a_proxy_nor_a_foreign_name_is_answered(ask, model, headers):
    app = create_app(model)
    for path in ("/v1/model", "/metrics", "/openapi.json"):
        answer = ask(path, b"", method="GET", headers=headers, to=app)
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("address")
    gateway = create_app(model, open=True)
    assert ask("/v1/model", b"", method="GET", headers=headers, to=gateway).status_code == 200
    assert ask("/livez", b"", method="GET", headers=headers, to=app).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost:3000", "127.0.0.1", "127.8.0.1:80", "[::1]:3000", "LOCALHOST"]
)
def test_names_of_this_machine_are_answered_without_keys(ask, model, host):
    answer = ask("/v1/model", b"", method="GET", headers={"host": host}, to=create_app(model))
    assert answer.status_code == 200
