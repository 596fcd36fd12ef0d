"""A small made-up model, its application, and one real service for the whole session."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from churnkit.bundle.contents import ModelContents
from churnkit.bundle.model import RetentionModel
from churnkit.contracts import Check, Column, Contract
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer

SERVING = Path(__file__).parents[2] / "serving"
JSON = {"content-type": "application/json"}
PLANS = ("basic", "plus", "pro")


def gym_contract():
    return Contract(
        "gym",
        (
            Column("member_id", "string", ("entity",), checks=(Check("max_length", 64),)),
            Column("seen_on", "datetime", ("as_of",), nullable=True),
            Column(
                "tenure",
                "integer",
                ("feature",),
                "Member for",
                "months",
                checks=(Check("ge", 0), Check("le", 1200)),
            ),
            Column(
                "plan",
                "string",
                ("feature",),
                phrase="{value} plan",
                checks=(Check("isin", PLANS),),
                levels=PLANS,
            ),
            Column(
                "city",
                "string",
                ("feature",),
                nullable=True,
                levels=("Bern", "Oslo"),
                unknown="missing",
            ),
            Column(
                "fee",
                "number",
                ("feature", "value"),
                "Fee",
                "EUR a month",
                nullable=True,
                checks=(Check("ge", 0), Check("le", 1e6)),
            ),
            Column("sauna", "boolean", ("feature",), "Uses the sauna"),
            Column("may_call", "boolean", ("context",), "May be called"),
            Column("phone", "string", ("pii",)),
            Column("left", "boolean", ("label",)),
        ),
    )


def gym_scorer():
    return LinearScorer(
        -1.0,
        [
            ColumnEffect.of_number([0, 12, 60], [1.0, 0.0, -1.0], missing=0.0),
            ColumnEffect.of_category([0.5, 0.0, -0.5], missing=0.0),
            ColumnEffect.of_category([0.25, -0.25], missing=0.125),
            ColumnEffect.of_number([0, 50, 200], [-0.25, 0.0, 0.5], missing=0.0),
            ColumnEffect.of_category([0.25, -0.75], missing=0.0),
        ],
    )


def gym_catalogue():
    call = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3), (Where("may_call", "==", True),))
    offer = Action(
        "offer", "20% off", 30.0, Effect(0.2, 0.3, 0.4), (Where("plan", "in", ("plus", "pro")),)
    )
    return Catalogue((call, offer))


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "gym"
    golden = np.array([[1.0, 0.0, 1.0, 20.0, 1.0], [40.0, 2.0, np.nan, np.nan, 0.0]])
    parts = ModelContents(
        gym_contract(),
        gym_scorer(),
        Calibration.identity(),
        gym_catalogue(),
        card={"rows": 7},
        golden=golden,
        texts={"first": "a tree in words"},
    )
    RetentionModel(parts).save(folder, name="gym", lineage={"seed": 0})
    return folder


@pytest.fixture(scope="session")
def model(bundle):
    return RetentionModel.load(bundle)


@pytest.fixture(scope="session")
def app(model):
    from churnkit.server import create_app

    return create_app(model, max_rows=50, max_body_bytes=20_000)


@pytest.fixture(scope="session")
def ask(app):
    """Ask the application in this process."""

    def ask(path, body=None, *, method=None, headers=JSON, to=app):
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()

        async def send():
            transport = httpx.ASGITransport(app=to)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                said = method or ("GET" if body is None else "POST")
                return await client.request(
                    said, path, content=content, headers=headers if content is not None else None
                )

        return asyncio.run(send())

    return ask


def gym_member(place=0, *, decide=False):
    """Give a valid customer, a different one for each place."""
    member = {
        "member_id": f"m{place}",
        "tenure": place % 70,
        "plan": PLANS[place % 3],
        "city": ("Bern", "Oslo", None, "Rome", " ")[place % 5],
        "fee": None if place % 7 == 6 else (place * 37 % 400) / 2,
        "sauna": place % 2 == 0,
    }
    if place % 4 == 1:
        member["seen_on"] = "2026-01-31T10:00:00Z"
    return {**member, "may_call": place % 3 != 0} if decide else member


@pytest.fixture
def served(model):
    """The model that `live` serves; a module may name another."""
    return model


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture
def live(served, url, tmp_path):
    """Run questions against an application that lives as in a server, with a journal."""
    from churnkit.server import create_app

    def live(questions, *, of=served, **settings):
        app = create_app(of, journal=url, spool=str(tmp_path / "spool"), **settings)

        async def run():
            await app.startup()
            transport = httpx.ASGITransport(app=app)
            try:
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://localhost"
                ) as client:
                    return await questions(client)
            finally:
                await app.shutdown()

        return asyncio.run(run())

    return live


@pytest.fixture(scope="session")
def member():
    return gym_member


@pytest.fixture(scope="session")
def serving():
    return SERVING


@pytest.fixture(scope="session")
def packed(bento_home, bundle, serving):
    from churnkit.server import pack

    return pack(bundle, name="gym", serving=serving)


@pytest.fixture(scope="session")
def service(packed):
    """The real service: BentoML's own processes, behind loopback."""
    from churnkit.server import serve

    with serve(packed, timeout_seconds=120) as running:
        yield running
