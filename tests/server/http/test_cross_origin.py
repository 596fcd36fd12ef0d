"""Pages of other origins call the service only if the setting lists their origin exactly."""

import asyncio
import json

import httpx
import pytest

from churnkit.errors import ChurnkitError
from churnkit.server import create_app

ORIGIN = "https://crm.example.org"


@pytest.fixture
def send(model, member):
    def send(method, path, *, cors=ORIGIN, origin=ORIGIN, **headers):
        app = create_app(model, cors=cors)
        body = json.dumps({"customers": [member(1)]}) if method == "POST" else None
        sent = {"content-type": "application/json", **headers}
        if origin:
            sent["origin"] = origin

        async def run():
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.request(method, path, content=body, headers=sent)

        return asyncio.run(run())

    return send


def cors_headers(answer):
    return {name for name in answer.headers if name.startswith("access-control")}


def test_a_listed_origin_may_read_the_reply(send):
    answer = send("POST", "/v1/predict")
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["vary"] == "origin"
    assert "access-control-allow-credentials" not in answer.headers


def test_a_listed_origin_may_ask_first(send):
    answer = send("OPTIONS", "/v1/predict", **{"access-control-request-method": "POST"})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert "authorization" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example.org",
        "http://crm.example.org",
        f"{ORIGIN}:8443",
        f"{ORIGIN}.evil.org",
        "null",
        None,
    ],
)
def test_another_origin_gets_no_permission(send, origin):
    answer = send("POST", "/v1/predict", origin=origin)
    assert answer.status_code == 200
    assert not cors_headers(answer)
    refused = send("OPTIONS", "/v1/predict", origin=origin)
    assert refused.status_code == 405
    assert not cors_headers(refused)


def test_without_the_setting_nothing_is_allowed(send):
    assert not cors_headers(send("POST", "/v1/predict", cors=None))
    assert send("OPTIONS", "/v1/predict", cors=None).status_code == 405


@pytest.mark.parametrize(
    "setting",
    ["*", "https://*.example.org", "crm.example.org", f"{ORIGIN}/", f"{ORIGIN}/x", "null"],
)
def test_an_origin_that_is_not_exact_is_refused_at_the_start(model, setting):
    with pytest.raises(ChurnkitError, match="exact origins"):
        create_app(model, cors=setting)
