"""The loop: pull from two providers, train, plan with a holdout, push, webhooks, evaluate."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from random import Random

import pyarrow.parquet as pq
import pytest

from churnkit.cli.main import run
from churnkit.connect import sign_webhook
from churnkit.journal import Journal
from tests.connect.servers.asgi import serving
from tests.connect.servers.hubspot import HubSpotServer
from tests.connect.servers.sample import WallClock, fill
from tests.connect.servers.stripe import StripeServer

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
msgspec = pytest.importorskip("msgspec", reason="the extra 'serve' is not installed")

pytestmark = pytest.mark.slow

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
SOURCES = """
from churnkit.connect import Destinations, Env, Hook, Hooks, HubSpot, HubSpotRecords, Sources, Stripe

KEY = Env("PROVIDER_KEY")
sources = Sources(
    crm=HubSpot(
        key=KEY, base_url={crm!r}, streams=("contacts",), constant={{"contacts": ("stripe_id", "country")}}
    ),
    billing=Stripe(key=KEY, base_url={billing!r}, streams=("customers", "subscriptions", "charges")),
)
destinations = Destinations(
    crm=HubSpotRecords(key=KEY, base_url={crm!r}, id_property="stripe_id")
)
hooks = Hooks(billing=Hook(Env("HOOK_SECRET"), {{"subscription.ended": "churned", "renewed": "stayed"}}))
"""
RECIPE = """
from churnkit.decisions import Action, Catalogue, Effect
from churnkit.models import ChurnClassifier

actions = Catalogue(
    (Action("call", "A call", cost=1.0, effect=Effect(0.1, 0.3, 0.5), channel="phone"),),
    value="billing_charges_amount_mean",
    holdout=0.3,
)
recipe = Recipe(
    schema={schema},
    data=tables,
    timeline=timeline,
    actions=actions,
    model=ChurnClassifier(profile="fast"),
)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("loop")


def post_webhooks(model, journal, file, events):
    import httpx

    from churnkit.server import create_app

    async def send():
        app = create_app(model, journal=journal, spool=f"{file}.spool", hooks=file)
        await app.startup()
        transport = httpx.ASGITransport(app=app)
        try:
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                for event in events:
                    body = json.dumps(event).encode()
                    headers = sign_webhook(SECRET, event["id"], datetime.now(UTC), body)
                    reply = await client.post("/v1/hooks/billing", content=body, headers=headers)
                    assert reply.status_code == 200, reply.text
        finally:
            await app.shutdown()

    asyncio.run(send())


def test_customers_come_in_actions_go_out_and_outcomes_come_back(home, monkeypatch, capsys):
    from churnkit import load

    now = datetime.now(UTC)
    crm, billing = HubSpotServer(WallClock()), StripeServer(WallClock())
    fill(crm, billing, now)
    monkeypatch.chdir(home)
    url = f"sqlite:///{home / 'journal.db'}"
    monkeypatch.setenv("PROVIDER_KEY", "secret-canary")
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("CHURNKIT_JOURNAL", url)
    (home / ".churnkit").mkdir()
    with serving(crm) as crm_url, serving(billing) as billing_url:
        (home / "sources.py").write_text(SOURCES.format(crm=crm_url, billing=billing_url))
        assert run(["pull"]) == 0
        assert run(["init", ".", "--from", "data", "--name", "loop"]) == 0
        draft = home / "training" / "loop.py"
        start, _, schema = draft.read_text().partition("recipe = Recipe(schema=")
        draft.write_text(start + RECIPE.format(schema=schema.partition(",")[0]))
        assert run(["train", "loop"]) in {0, 1}
        model = "models:/loop/1"
        day = f"{now:%Y-%m-%d}"
        plan = ["plan", "data", "--as-of", day, "--model", model, "-o", "plan.parquet"]
        assert run(plan) == 0
        planned = pq.read_table("plan.parquet").to_pylist()
        called = {next(iter(row.values())) for row in planned if row["action"]}
        held = {next(iter(row.values())) for row in planned if row["holdout"]}
        assert held
        assert run(["push", "plan.parquet", "--to", "crm"]) == 0
    actions = {
        r["properties"]["stripe_id"]
        for r in crm.objects["contacts"].values()
        if r["properties"].get("churnkit_action") == "call"
    }
    assert actions == called
    assert not actions & held
    random = Random(2)  # noqa: S311
    events = []
    for row in planned:
        key = next(iter(row.values()))
        leaves = random.random() < (0.1 if key in actions else 0.6)
        events.append(
            {
                "id": f"evt_{key}",
                "type": "subscription.ended" if leaves else "renewed",
                "time": (now + timedelta(days=30)).isoformat(),
                "data": {"customer": key},
            }
        )
    post_webhooks(load(model), url, str(home / "sources.py"), events)
    capsys.readouterr()
    until = f"{now + timedelta(days=100):%Y-%m-%d}"
    query = ["evaluate", "--outcome", "churned", "--horizon-days", "90", "--until", until]
    assert run([*query, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    readout = report["readouts"]["global"]
    assert (readout["verdict"], readout["treated"]) == ("works", len(planned) - len(held))
    with Journal.open(url) as journal:
        assert len(journal.outcomes(kind="sent")) == len(actions)
