"""Recommendations written down, decided once, and followed by outcomes."""

import asyncio
import contextlib
import json
import sqlite3
from dataclasses import replace
from datetime import date

import pytest

from churnkit.bundle.model import RetentionModel
from churnkit.decisions import ContactLimit, ContactPolicy
from churnkit.journal import DecisionRecord, Journal
from churnkit.server import create_app
from churnkit.server.decision_log.spool_folder import journal_identity, prepare_spool
from churnkit.server.decision_log.write_ahead_log import WriteAheadLog

JSON = {"content-type": "application/json"}
NOW = "2026-11-25T12:00:00Z"


def decisions(url):
    with Journal.open(url) as journal:
        return journal.decisions().to_pylist()


def test_every_recommendation_stands_in_the_journal(live, url, member, model):
    rows = [member(place, decide=True) for place in range(1, 30)]

    async def questions(client):
        one = await client.post("/v1/recommend", json={"customers": rows[:1]})
        more = await client.post("/v1/recommend", json={"customers": rows[1:]})
        return [*one.json()["predictions"], *more.json()["predictions"]]

    told = {row["prediction_id"]: row for row in live(questions)}
    written = {row["key"]: row for row in decisions(url)}
    assert set(told) == set(written)
    for key, row in told.items():
        kept = written[key]
        assert kept["customer"] == row["member_id"]
        assert (kept["action"], kept["cost"]) == (row["action"], row["cost"])
        assert kept["expected_gain"] == row["expected_gain"]
        assert (kept["policy"], kept["model_digest"]) == ("gym", model.digest)
        assert kept["propensity"] == 1.0
        assert row["action"] is None or row["action"] in kept["eligible"]
    assert len({row["action"] for row in told.values()}) > 1


def test_rows_that_are_refused_are_not_written(live, url, member):
    rows = [member(1, decide=True), {}, member(2, decide=True)]

    async def questions(client):
        return await client.post("/v1/recommend", json={"customers": rows, "partial": True})

    assert live(questions).status_code == 200
    assert {row["customer"] for row in decisions(url)} == {"m1", "m2"}


def test_a_request_that_comes_again_is_decided_once(live, url, member):
    body = {"customers": [member(1, decide=True), member(2, decide=True)]}
    key = {"idempotency-key": "order-4711"}

    async def questions(client):
        first = await client.post("/v1/recommend", json=body, headers=key)
        again = await client.post("/v1/recommend", json=body, headers=key)
        other = await client.post("/v1/recommend", json=body, headers={"idempotency-key": "x"})
        wrong = await client.post(
            "/v1/recommend", json={"customers": [member(3, decide=True)]}, headers=key
        )
        bad = await client.post("/v1/recommend", json=body, headers={"idempotency-key": "a b"})
        return first, again, other, wrong, bad

    first, again, other, wrong, bad = live(questions)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert other.json() != first.json()
    assert (wrong.status_code, bad.status_code) == (422, 400)
    assert wrong.json()["type"].endswith("idempotency-key")
    assert len(decisions(url)) == 4
    # Another worker, or this one after a restart, gives the decision the same id.
    assert live(questions)[0].json()["predictions"] == first.json()["predictions"]
    assert len(decisions(url)) == 4


def test_a_refused_request_may_come_again_under_its_key(live, member):
    key = {"idempotency-key": "k"}

    async def questions(client):
        bad = await client.post("/v1/recommend", json={"customers": [{}]}, headers=key)
        good = {"customers": [member(1, decide=True)]}
        return bad, await client.post("/v1/recommend", json=good, headers=key)

    bad, good = live(questions)
    assert (bad.status_code, good.status_code) == (422, 200)


def outcome(number, **changes):
    return {"id": f"o{number}", "kind": "accepted", "observed_at": NOW, "customer": "m1"} | changes


def test_outcomes_follow_their_decisions_and_are_written_once(live, url, member):
    async def questions(client):
        body = {"customers": [member(1, decide=True)]}
        [row] = (await client.post("/v1/recommend", json=body)).json()["predictions"]
        sent = [outcome(1, prediction_id=row["prediction_id"]), outcome(2, value=12.5)]
        codes = [await client.post("/v1/outcomes", json={"outcomes": sent}) for _ in range(2)]
        changed = [outcome(2, value=13.0)]
        return row, codes, await client.post("/v1/outcomes", json={"outcomes": changed})

    row, (first, again), changed = live(questions)
    assert first.json() == {"written": 2, "duplicates": 0}
    assert again.json() == {"written": 0, "duplicates": 2}
    assert changed.status_code == 409
    assert "o2" not in changed.text
    with Journal.open(url) as journal:
        kept = {found["key"]: found for found in journal.outcomes().to_pylist()}
    assert kept["o1"]["decision"] == row["prediction_id"]
    assert kept["o2"]["value"] == 12.5


@pytest.mark.parametrize(
    "bad",
    [
        outcome(1, observed_at="yesterday"),
        outcome(1, observed_at="2026-11-25T12:00:00"),
        outcome(1, observed_at="0001-01-01T00:00:00+14:00"),
        outcome(1, observed_at="9999-12-31T23:59:59-12:00"),
        outcome(1, value="much"),
        outcome(1, strange=1),
        outcome(1, id=""),
        outcome(1, kind="x" * 201),
        outcome(1, customer=None),
        {},
    ],
)
def test_an_outcome_that_is_none_is_refused_without_its_values(live, url, bad):
    async def questions(client):
        return await client.post("/v1/outcomes", json={"outcomes": [outcome(0), bad]})

    answer = live(questions)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "much" not in answer.text
    with Journal.open(url) as journal:
        assert journal.outcomes().num_rows == 0


def test_without_a_journal_there_is_nowhere_for_outcomes(ask):
    answer = ask("/v1/outcomes", {"outcomes": [outcome(1)]})
    assert answer.status_code == 404
    assert "CHURNKIT_JOURNAL" in answer.json()["detail"]


def test_what_a_killed_worker_had_answered_is_written_by_the_next(live, url, tmp_path):
    spool = prepare_spool(tmp_path / "spool", journal_identity(url))
    killed = WriteAheadLog(spool)
    record = DecisionRecord("k1", "m7", date(2026, 11, 1), date(2026, 11, 1), "gym")
    killed.add([record, replace(record, key="k2")])
    killed._stream.write(b'{"key": "half')
    killed._stream.close()

    async def questions(client):
        for _ in range(200):
            await asyncio.sleep(0.02)
            if len(decisions(url)) == 2 and not killed._file.exists():
                break

    live(questions)
    assert {row["key"] for row in decisions(url)} == {"k1", "k2"}
    assert not list(spool.glob("*.decisions"))


def test_while_the_journal_is_away_decisions_wait_and_none_is_lost(
    live, url, member, tmp_path, monkeypatch
):
    monkeypatch.setattr("churnkit.server.decision_log.recorder._RETRY_SECONDS", 0.02)
    monkeypatch.setattr("churnkit.journal.database._WAIT_SECONDS", 0)
    body = {"customers": [member(place, decide=True) for place in range(1, 6)]}

    async def questions(client):
        with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            told = await client.post("/v1/recommend", json=body)
            await asyncio.sleep(0.4)
            held = (await client.get("/metrics")).text
            away = await client.post("/v1/outcomes", json={"outcomes": [outcome(1)]})
            other.rollback()
        for _ in range(200):
            await asyncio.sleep(0.02)
            if "churnkit_journal_records_total" in (await client.get("/metrics")).text.replace(
                "# ", ""
            ):
                break
        return told, held, away

    told, held, away = live(questions)
    assert told.status_code == 200
    assert "churnkit_journal_waiting 5.0" in held
    assert away.status_code == 503
    assert away.headers["retry-after"]
    assert len(decisions(url)) == 5


def test_too_many_that_wait_are_refused_instead_of_lost(live, member, monkeypatch):
    monkeypatch.setattr("churnkit.server.decision_log.recorder._MAX_WAITING", 3)
    body = {"customers": [member(place, decide=True) for place in range(1, 6)]}

    async def questions(client):
        return await client.post("/v1/recommend", json=body)

    answer = live(questions)
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_contact_limits_hold_over_requests(live, url, member, model):
    catalogue = replace(
        model.contents.catalogue, contact=ContactPolicy(limits=(ContactLimit(1, days=30),))
    )
    strict = RetentionModel(replace(model.contents, catalogue=catalogue), model.manifest)
    rows = [member(place, decide=True) for place in range(1, 20)]

    async def questions(client):
        answers = [await client.post("/v1/recommend", json={"customers": rows}) for _ in range(2)]
        alone = await client.post("/v1/recommend", json={"customers": rows[:1]})
        return [answer.json()["predictions"] for answer in (*answers, alone)]

    first, second, _ = live(questions, of=strict)
    acted = {row["member_id"] for row in first if row["action"]}
    assert acted
    assert not acted & {row["member_id"] for row in second if row["action"]}


def test_contact_rules_without_a_journal_are_told(ask, member, model):
    catalogue = replace(
        model.contents.catalogue, contact=ContactPolicy(limits=(ContactLimit(1, days=30),))
    )
    app = create_app(RetentionModel(replace(model.contents, catalogue=catalogue)))
    answer = ask("/v1/recommend", {"customers": [member(decide=True)]}, to=app)
    assert answer.status_code == 503
    assert "CHURNKIT_JOURNAL" in answer.json()["detail"]


def test_holdouts_and_chance_are_decided_and_written_with_their_propensity(
    live, url, member, model
):
    from churnkit.decisions import Exploration

    catalogue = replace(model.contents.catalogue, holdout=0.2, exploration=Exploration(0.1))
    chancy = RetentionModel(replace(model.contents, catalogue=catalogue), model.manifest)
    rows = [member(place, decide=True) for place in range(1, 45)]

    async def questions(client):
        return (await client.post("/v1/recommend", json={"customers": rows})).json()

    told = live(questions, of=chancy)["predictions"]
    written = {row["key"]: row for row in decisions(url)}
    assert len(written) == len(told) == 44
    assert all(0 < row["propensity"] <= 1 for row in written.values())
    assert json.dumps(told)
