"""Changed bodies of requests: a reply that a client understands, and never a server error."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from hypothesis import strategies as st

pytest.importorskip("msgspec", reason="the extra 'serve' is not installed")
httpx = pytest.importorskip("httpx", reason="the extra 'test' is not installed")

from churnkit.server import create_app  # noqa: E402
from tests.security.mutation import changed_bytes, changed_document, fuzz  # noqa: E402
from tests.server.conftest import gym_catalogue, gym_contract, gym_scorer  # noqa: E402

ARROW = "application/vnd.apache.arrow.stream"
EXPECTED = {200, 400, 409, 413, 415, 422}


@pytest.fixture(scope="module")
def app():
    from churnkit.bundle import ModelContents, RetentionModel
    from churnkit.models import Calibration

    parts = ModelContents(gym_contract(), gym_scorer(), Calibration.identity(), gym_catalogue())
    return create_app(RetentionModel(parts), max_rows=50, max_body_bytes=100_000)


@pytest.fixture(scope="module")
def send(app):
    """Send a body to the application in this process."""

    def send(path, body, media):
        async def post():
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.post(path, content=body, headers={"content-type": media})

        answer = asyncio.run(post())
        assert answer.status_code in EXPECTED, (path, answer.status_code)
        if answer.status_code != 200:
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert problem["detail"] or problem["violations"]
        return answer

    return send


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain", "/v1/recommend"])
def test_json_bodies(send, path):
    def dump(document):
        # Lone surrogates are sent as they are.
        return json.dumps(document).encode()

    fuzz(
        st.one_of(changed_bytes("json"), changed_document("json").map(dump)),
        lambda body: send(path, body, "application/json"),
    )


def test_arrow_bodies(send):
    def check(body):
        answer = send("/v1/predict", body, ARROW)
        if answer.status_code == 200:
            import pyarrow as pa

            pa.ipc.open_stream(io.BytesIO(answer.content)).read_all().validate(full=True)

    fuzz(changed_bytes("arrow"), check)
