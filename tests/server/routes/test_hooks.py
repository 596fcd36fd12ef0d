"""Signed webhooks of other programs become outcomes in the journal."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime

import pytest

from churnkit.connect import sign_webhook
from churnkit.journal import Journal

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
HOOKS = """
from churnkit.connect import Env, Hook, Hooks, StripeHook

hooks = Hooks(
    billing=StripeHook(Env("STRIPE_HOOK")),
    desk=Hook(Env("DESK_HOOK"), {"account.closed": "churned", "rated": "rating"}, value="data.value"),
)
"""


@pytest.fixture
def hooks(tmp_path, monkeypatch):
    monkeypatch.setenv("DESK_HOOK", SECRET)
    monkeypatch.setenv("STRIPE_HOOK", "stripe-canary")
    file = tmp_path / "sources.py"
    file.write_text(HOOKS)
    return str(file)


def event(identifier="e1", kind="rated", **data):
    body = {"type": kind, "id": identifier, "time": "2026-11-20T10:00:00Z"}
    return json.dumps({**body, "data": {"customer": "m1", "value": 4, **data}}).encode()


def stripe_headers(body, secret="stripe-canary", at=None):  # noqa: S107
    stamp = str(int(at or time.time()))
    signature = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={stamp},v1={'0' * 64},v1={signature}"}


def test_a_signed_webhook_is_an_outcome_once(live, url, hooks):
    body = event()
    headers = sign_webhook(SECRET, "msg1", datetime.now(UTC), body)

    async def questions(client):
        return [await client.post("/v1/hooks/desk", content=body, headers=headers) for _ in "ab"]

    first, again = live(questions, hooks=hooks)
    assert (first.status_code, first.json()) == (200, {"written": 1, "duplicates": 0})
    assert again.json() == {"written": 0, "duplicates": 1}
    with Journal.open(url) as journal:
        (row,) = journal.outcomes().to_pylist()
    assert (row["customer"], row["kind"], row["value"]) == ("m1", "rating", 4.0)


def test_an_event_of_stripe_is_churn_and_other_types_are_left_out(live, url, hooks):
    def stripe(kind):
        data = {"object": {"customer": "m7"}}
        return json.dumps({"id": f"evt_{kind}", "type": kind, "created": 5, "data": data}).encode()

    async def questions(client):
        bodies = [stripe("customer.subscription.deleted"), stripe("invoice.paid")]
        return [
            await client.post("/v1/hooks/billing", content=body, headers=stripe_headers(body))
            for body in bodies
        ]

    assert [reply.json()["written"] for reply in live(questions, hooks=hooks)] == [1, 0]
    with Journal.open(url) as journal:
        (row,) = journal.outcomes(kind="churned").to_pylist()
    assert row["customer"] == "m7"


def test_unsigned_old_and_malformed_webhooks_are_refused(live, url, hooks):
    body, now = event(), datetime.now(UTC)
    old = datetime.fromtimestamp(time.time() - 3600, UTC)
    signed = sign_webhook(SECRET, "msg1", now, body)
    faults = {
        "other body": (event("e2"), signed, 401),
        "old": (body, sign_webhook(SECRET, "msg1", old, body), 401),
        "no signature": (body, {}, 401),
        "no id": (event(""), sign_webhook(SECRET, "m", now, event("")), 422),
        "no customer": (
            event(customer=None),
            sign_webhook(SECRET, "m", now, event(customer=None)),
            422,
        ),
    }

    async def questions(client):
        replies = {}
        for name, (content, headers, _) in faults.items():
            replies[name] = await client.post("/v1/hooks/desk", content=content, headers=headers)
        replies["other name"] = await client.post("/v1/hooks/x", content=body, headers=signed)
        return replies

    replies = live(questions, hooks=hooks)
    for name, (_, _, status) in faults.items():
        assert replies[name].status_code == status, name
        assert "canary" not in replies[name].text
    assert replies["other name"].status_code == 404
    with Journal.open(url) as journal:
        assert len(journal.outcomes()) == 0
