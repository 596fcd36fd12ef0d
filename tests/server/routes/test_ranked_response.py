"""A model that ranks: lists over HTTP, written down place by place, and learned from."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta

import httpx
import jsonschema
import numpy as np
import pytest

from churnkit.batch import learn
from churnkit.bundle.contents import ModelContents
from churnkit.bundle.model import RetentionModel
from churnkit.bundle.parts.ranker import Ranker
from churnkit.decisions import (
    Action,
    Catalogue,
    ContactLimit,
    ContactPolicy,
    Effect,
    Ranking,
    Where,
)
from churnkit.decisions.ranking.compiled import compile_ranking
from churnkit.journal import Journal
from churnkit.models import LinearBandit
from churnkit.models.calibration.maps import Calibration
from churnkit.server import create_app

SPA = Action("spa", "A day in the spa", features=(1.0, 0.0), channel="app")
TRAINER = Action("trainer", "An hour with a trainer", features=(0.0, 1.0), channel="app")
PRO = Action(
    "pro", "A month of pro", 8.0, eligible=(Where("plan", "!=", "pro"),), features=(0.0, 0.0)
)
OPTIONS = (SPA, TRAINER, PRO)


def ranker_of(contract, **changes):
    ranking = Ranking(**{"options": OPTIONS, "outcome": "accepted", "size": 2, **changes})
    compiled = compile_ranking(ranking, contract.encoded("recommend"))
    bandit = LinearBandit.new(
        customer_features=len(compiled.indices),
        option_features=compiled.option_features.shape[1],
        categories=compiled.categories,
    )
    rows = np.array([[10.0, 0, 0, 20.0, 0], [40.0, 1, 1, 60.0, 1], [70.0, 2, 0, 90.0, 1]])
    scaled = bandit.fit_scale(rows[:, list(compiled.indices)], compiled.option_features)
    return Ranker(ranking, scaled)


@pytest.fixture(scope="module")
def make(model, tmp_path_factory):
    """Make, save and load a gym that ranks."""

    def make(**changes):
        parts = model.contents
        ranking = ModelContents(
            parts.contract,
            parts.scorer,
            Calibration.identity(),
            card={},
            golden=parts.golden,
            ranker=ranker_of(parts.contract, **changes),
        )
        folder = tmp_path_factory.mktemp("ranks") / "gym"
        RetentionModel(ranking).save(folder, name="gym", lineage={})
        return RetentionModel.load(folder)

    return make


@pytest.fixture(scope="module")
def ranks(make):
    return make()


@pytest.fixture
def served(ranks):
    return ranks


def journalled(url):
    with Journal.open(url) as journal:
        return journal.decisions().to_pylist()


def test_a_bundle_keeps_the_ranking_and_its_first_state(ranks):
    ranker = ranks.contents.ranker
    assert [option.name for option in ranker.ranking.options] == ["spa", "trainer", "pro"]
    assert ranker.bandit.version == 0
    assert ranker.bandit.features.mean.any()
    assert ranks.contents.catalogue is None


def test_a_customer_is_shown_the_best_few_in_order(ask, ranks, member):
    app = create_app(ranks)
    answer = ask("/v1/recommend", {"customers": [member(1, decide=True)]}, to=app)
    assert answer.status_code == 200
    assert answer.headers["churnkit-bandit"] == "0"
    [row] = answer.json()["predictions"]
    assert [option["prediction_id"] for option in row["options"]] == [
        f"{row['prediction_id']}.1",
        f"{row['prediction_id']}.2",
    ]
    assert row["action"] == row["options"][0]["action"]
    assert all(0.0 < option["propensity"] <= 1.0 for option in row["options"])
    assert "expected_gain" not in row


def test_rules_keep_options_out_and_bad_rows_are_told_in_place(ask, ranks, member):
    app = create_app(ranks)
    rows = [member(place, decide=True) for place in range(40)]
    body = {"customers": [*rows, {"member_id": "x"}], "partial": True}
    told = ask("/v1/recommend", body, to=app).json()["predictions"]
    for row, answer in zip(rows, told, strict=False):
        shown = {option["action"] for option in answer["options"]}
        assert len(shown) == 2
        assert row["plan"] != "pro" or "pro" not in shown
    assert told[-1]["problem"]
    assert "options" not in told[-1]


def test_a_budget_is_refused_since_nothing_is_weighed(ask, ranks, member):
    body = {"customers": [member(1, decide=True)], "budget": 100}
    answer = ask("/v1/recommend", body, to=create_app(ranks))
    assert answer.status_code == 422
    assert answer.json()["violations"][0]["column"] == "budget"


def test_the_page_describes_lists_and_its_example_works(ask, ranks):
    app = create_app(ranks)
    document = ask("/openapi.json", to=app).json()
    asked = document["paths"]["/v1/recommend"]["post"]
    body = asked["requestBody"]["content"]["application/json"]
    assert "budget" not in document["components"]["schemas"]["RecommendRequest"]["properties"]
    answer = ask("/v1/recommend", body["example"], to=app)
    assert answer.status_code == 200
    schema = asked["responses"]["200"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document["components"]}
    for told in (
        answer.json(),
        asked["responses"]["200"]["content"]["application/json"]["example"],
    ):
        jsonschema.Draft202012Validator(whole).validate(told)
    listed = ask("/v1/model", to=app).json()["actions"]
    assert [action["name"] for action in listed] == ["spa", "trainer", "pro"]


def test_the_page_of_a_catalogue_that_asks_who_it_is_works_too(ask, model):
    call = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3))
    parts = model.contents
    held = ModelContents(
        parts.contract, parts.scorer, parts.calibration, Catalogue((call,), holdout=0.5)
    )
    answer = ask("/openapi.json", to=create_app(RetentionModel(held)))
    assert answer.status_code == 200


def test_every_place_of_a_list_stands_in_the_journal(live, url, member):
    rows = [member(place, decide=True) for place in range(1, 20)]

    async def questions(client):
        return (await client.post("/v1/recommend", json={"customers": rows})).json()["predictions"]

    told = live(questions)
    written = {row["key"]: row for row in journalled(url)}
    assert len(written) == 2 * len(rows)
    for row, answer in zip(rows, told, strict=True):
        for place, option in enumerate(answer["options"], start=1):
            kept = written[option["prediction_id"]]
            detail = json.loads(kept["detail"])
            assert kept["customer"] == row["member_id"]
            assert (kept["action"], kept["propensity"]) == (option["action"], option["propensity"])
            assert (detail["place"], detail["slate"]) == (place, answer["prediction_id"])
            assert detail["row"]["plan"] == row["plan"]
            assert set(detail["row"]) <= {"tenure", "plan", "city", "fee", "sauna"}
            assert kept["channel"] == ("app" if option["action"] != "pro" else None)


def test_a_request_that_comes_again_shows_the_same_list(live, url, member):
    body = {"customers": [member(1, decide=True)]}
    key = {"idempotency-key": "visit-1"}

    async def questions(client):
        return (await client.post("/v1/recommend", json=body, headers=key)).json()["predictions"]

    assert live(questions) == live(questions)
    assert len(journalled(url)) == 2


def test_a_contact_limit_takes_places_out_of_a_list(live, make, url, member):
    limited = make(contact=ContactPolicy((ContactLimit(1, days=7, channel="app"),)), size=3)
    body = {"customers": [member(1, decide=True)]}

    async def questions(client):
        first = (await client.post("/v1/recommend", json=body)).json()["predictions"][0]
        second = (await client.post("/v1/recommend", json=body)).json()["predictions"][0]
        return first, second

    first, second = live(questions, of=limited)
    app = {"spa", "trainer"}
    assert len(app & {option["action"] for option in first["options"]}) == 1
    assert first["action"] == first["options"][0]["action"]
    assert not app & {option["action"] for option in second["options"]}
    assert sum(row["capped"] for row in journalled(url)) == 1


def test_held_out_customers_are_shown_nothing_and_that_is_written(live, make, url, member):
    held = make(holdout=1.0)

    async def questions(client):
        body = {"customers": [member(1, decide=True)]}
        return (await client.post("/v1/recommend", json=body)).json()["predictions"][0]

    row = live(questions, of=held)
    assert (row["options"], row["action"], row["reason"]) == ([], None, "held out")
    [kept] = journalled(url)
    assert (kept["key"], kept["action"]) == (row["prediction_id"], None)


def test_what_is_learned_from_the_journal_is_served(live, url, member, ranks, tmp_path):
    """Basic members take the spa, others the trainer: the service comes to know."""
    folder = tmp_path / "states"
    generator = np.random.default_rng(3)

    def taste(row):
        return "spa" if row["plan"] == "basic" else "trainer"

    async def visit(client):
        right = 0
        for start in range(0, 240, 40):
            rows = [member(place, decide=True) for place in range(start, start + 40)]
            answer = await client.post("/v1/recommend", json={"customers": rows})
            outcomes = []
            for row, told in zip(rows, answer.json()["predictions"], strict=True):
                right += told["action"] == taste(row)
                outcomes += [
                    {
                        "id": "o" + option["prediction_id"],
                        "kind": "accepted",
                        "observed_at": datetime.now(UTC).isoformat(),
                        "prediction_id": option["prediction_id"],
                    }
                    for option in told["options"]
                    if generator.random() < (0.8 if option["action"] == taste(row) else 0.05)
                ]
            reply = await client.post("/v1/outcomes", json={"outcomes": outcomes})
            assert reply.status_code == 200
        return right, answer.headers["churnkit-bandit"]

    before, version = live(visit, bandit=str(folder), poll_seconds=0.0)
    assert version == "0"
    with Journal.open(url) as journal:
        later = datetime.now(UTC) + timedelta(days=7, minutes=1)
        report = learn(ranks, journal, folder, now=later)
        assert report.state == 1
        assert report.decisions == 480
        assert learn(ranks, journal, folder, now=later).path is None
    after, version = live(visit, bandit=str(folder), poll_seconds=0.0)
    assert version == "1"
    assert before < 120
    assert after > 200


def test_a_damaged_state_is_told_and_the_one_before_stays(ask, ranks, member, tmp_path, caplog):
    folder = tmp_path / "states"
    (folder / "000001").mkdir(parents=True)
    (folder / "000001" / "manifest.json").write_text("{}")
    app = create_app(ranks, bandit=str(folder), poll_seconds=0.0)
    body = {"customers": [member(1, decide=True)]}
    with caplog.at_level(logging.ERROR, "churnkit.server"):
        for _ in range(2):
            answer = ask("/v1/recommend", body, to=app)
            assert answer.headers["churnkit-bandit"] == "0"
    assert caplog.text.count("the earlier bandit state stays in use") == 1


def test_other_requests_are_answered_while_options_are_ranked(ranks, member, monkeypatch):
    monkeypatch.setattr("churnkit.server.routes.recommend._RANKED_VALUES", 1)
    app = create_app(ranks, max_rows=50)
    body = {"customers": [member(place, decide=True) for place in range(40)]}
    ended = []

    async def ask(path, body):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.request("GET" if body is None else "POST", path, json=body)
        ended.append(path)
        return answer

    async def run():
        first = asyncio.create_task(ask("/v1/recommend", body))
        await asyncio.sleep(0)
        await asyncio.gather(*(ask("/livez", None) for _ in range(3)))
        return await first

    answer = asyncio.run(run())
    assert ended == ["/livez"] * 3 + ["/v1/recommend"]
    assert len(answer.json()["predictions"]) == 40
    assert all(row["options"] for row in answer.json()["predictions"])
