"""No line, no record and no error ends the writing of decisions."""

import asyncio
import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from churnkit.bundle.model import RetentionModel
from churnkit.errors import JournalError
from churnkit.journal import DecisionRecord, Journal
from churnkit.server import create_app
from churnkit.server.decision_log.spool_folder import journal_identity, prepare_spool
from churnkit.server.decision_log.write_ahead_log import WriteAheadLog

DAY = date(2026, 11, 1)
RECORD = DecisionRecord("k1", "m7", DAY, DAY, "gym")
CANARY = "canary-7731"


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr("churnkit.server.decision_log.recorder._RETRY_SECONDS", 0.02)
    monkeypatch.setattr("churnkit.server.supervisor._FIRST_PAUSE_SECONDS", 0.02)


@pytest.fixture
def spool(tmp_path, url):
    return prepare_spool(tmp_path / "spool", journal_identity(url))


def keys(url):
    with Journal.open(url) as journal:
        return {row["key"]: row for row in journal.decisions().to_pylist()}


async def until(condition, seconds=5.0):
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


@pytest.mark.parametrize(
    "line",
    [
        b'{"version": 9, "decision": "k0"}',
        b'{"key": "k0", "customer"',
        b"\xff\xfe\x00",
        json.dumps(
            {**RECORD.to_row(), "as_of": "2026-11-01T00:00:00Z", "action": {"a": 1}}
        ).encode(),
    ],
)
def test_a_foreign_line_is_kept_aside_and_the_rest_is_written(live, url, spool, line, caplog):
    killed = WriteAheadLog(spool)
    killed.add([RECORD])
    killed._stream.write(line + b"\n")
    killed._size += len(line) + 1
    killed.add([replace(RECORD, key="k2")])
    killed._stream.close()

    async def questions(client):
        await until(lambda: not killed._file.exists())
        return await client.get("/readyz"), (await client.get("/metrics")).text

    ready, metrics = live(questions)
    assert set(keys(url)) == {"k1", "k2"}
    assert (spool / "rejected.jsonl").read_bytes() == line + b"\n"
    assert ready.status_code == 200
    assert 'churnkit_journal_records_total{kind="rejected"} 1.0' in metrics
    assert any(str(spool / "rejected.jsonl") in record.getMessage() for record in caplog.records)


def test_a_writer_that_dies_is_seen_and_restarted(live, url, member, monkeypatch, caplog):
    from churnkit.server.decision_log.recorder import Recorder

    flush = Recorder.flush
    failures: list[int] = []

    async def failing(self):
        if len(failures) < 3:
            failures.append(1)
            raise RuntimeError(CANARY)
        return await flush(self)

    monkeypatch.setattr(Recorder, "flush", failing)
    body = {"customers": [member(1, decide=True)]}

    async def questions(client):
        answer = await client.post("/v1/recommend", json=body)
        await until(lambda: len(failures) == 3)
        away = await client.get("/readyz")
        await until(lambda: keys(url))
        return answer, away, (await client.get("/livez")), (await client.get("/metrics")).text

    answer, away, alive, metrics = live(questions)
    assert answer.status_code == 200
    assert away.status_code == 503
    assert "journal" in away.json()["detail"]
    assert alive.status_code == 200
    assert 'churnkit_task_failures_total{task="journal"} 3.0' in metrics
    assert 'churnkit_task_running{task="journal"} 0.0' in metrics
    assert len(keys(url)) == 1
    assert sum("the task 'journal' failed" in line for line in caplog.messages) == 3
    assert CANARY not in caplog.text


def test_a_task_that_is_cancelled_by_mistake_shows_in_readiness(model):
    app = create_app(model, journal="sqlite://")

    async def run():
        app.supervisor.start("x", lambda: asyncio.sleep(60))
        app.supervisor._tasks["x"].cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return app.supervisor.failing

    assert asyncio.run(run()) == ["x"]


@pytest.fixture
def away(monkeypatch):
    """A journal that cannot be reached until the returned function is called."""
    opens = Journal.open

    def refuse(_url):
        error = JournalError("the journal cannot be opened")
        error.__context__ = OperationalError("connect", None, Exception(CANARY))
        raise error

    monkeypatch.setattr(Journal, "open", refuse)
    return lambda: monkeypatch.setattr(Journal, "open", opens)


def test_the_service_predicts_while_the_journal_is_away_and_takes_it_up_later(
    live, url, member, away, caplog
):
    rows = [member(place, decide=True) for place in (1, 2)]
    plain = {"customers": [member(1)]}
    outcome = {"id": "o1", "kind": "spend", "observed_at": "2026-11-25T12:00:00Z", "customer": "m1"}

    async def questions(client):
        statuses = [
            (await client.post(path, json=body)).status_code
            for path, body in (
                ("/v1/predict", plain),
                ("/v1/explain", plain),
                ("/v1/recommend", {"customers": rows}),
                ("/v1/outcomes", {"outcomes": [outcome]}),
            )
        ]
        ready, metrics = await client.get("/readyz"), (await client.get("/metrics")).text
        away()
        await until(lambda: keys(url))
        later = await client.post("/v1/outcomes", json={"outcomes": [outcome]})
        return statuses, ready, metrics, later, (await client.get("/metrics")).text

    statuses, ready, before, later, after = live(questions)
    assert statuses == [200, 200, 200, 503]
    assert ready.status_code == 200
    assert "churnkit_journal_reachable 0.0" in before
    assert "churnkit_journal_waiting 2.0" in before
    assert later.status_code == 200
    assert "churnkit_journal_reachable 1.0" in after
    assert "churnkit_journal_waiting 0.0" in after
    assert {row["customer"] for row in keys(url).values()} == {"m1", "m2"}
    assert "cannot be opened" in caplog.text
    assert CANARY not in caplog.text


def test_what_waits_for_a_journal_that_stays_away_is_written_after_a_restart(
    live, url, member, away
):
    body = {"customers": [member(1, decide=True)]}

    async def ask(client):
        return await client.post("/v1/recommend", json=body)

    assert live(ask).status_code == 200
    away()

    async def wait(_client):
        await until(lambda: keys(url))

    live(wait)
    assert len(keys(url)) == 1


def test_a_decision_about_an_erased_customer_is_dropped_and_other_refusals_are_kept(
    live, url, spool
):
    with Journal.open(url) as journal:
        journal.record([replace(RECORD, key="used")])
        journal.erase("gone", at=DAY)
    killed = WriteAheadLog(spool)
    killed.add(
        [
            replace(RECORD, customer="gone"),
            replace(RECORD, key="used", policy="other"),
            replace(RECORD, key="k3"),
        ]
    )
    killed._stream.close()

    async def questions(_client):
        await until(lambda: not killed._file.exists())

    live(questions)
    assert set(keys(url)) == {"used", "k3"}
    rejected = (spool / "rejected.jsonl").read_text()
    assert '"used"' in rejected
    assert "gone" not in rejected


@pytest.mark.parametrize("rows", [1, 3])
def test_an_id_that_the_journal_cannot_hold_is_refused_before_the_answer(
    live, url, member, model, rows
):
    contract = model.contract
    entity = replace(contract.columns[0], checks=())
    contract = replace(contract, columns=(entity, *contract.columns[1:]))
    free = RetentionModel(replace(model.contents, contract=contract), model.manifest)
    bad = [{**member(1, decide=True), "member_id": name} for name in ("x" * 201, "a\0b")]

    async def questions(client):
        answers = []
        for row in bad:
            body = {"customers": [row, *(member(p, decide=True) for p in range(2, rows + 1))]}
            answers.append(await client.post("/v1/recommend", json=body))
            answers.append(await client.post("/v1/recommend", json={**body, "partial": True}))
        return answers

    whole, partial, *_ = live(questions, of=free)
    assert whole.status_code == 422
    assert whole.json()["violations"][0]["rule"] == "max_length(200)"
    assert "xxx" not in whole.text
    assert partial.json()["predictions"][0]["problem"]
    # Both bodies share the other customers, each with a decision of its own.
    assert len(keys(url)) == 2 * (rows - 1)


def test_held_out_customers_are_held_out_in_the_journal(live, url, member, model):
    from churnkit.decisions.eligibility.exclusions import assigned_holdouts

    catalogue = replace(model.contents.catalogue, holdout=0.3)
    held = RetentionModel(replace(model.contents, catalogue=catalogue), model.manifest)
    rows = [member(place, decide=True) for place in range(1, 41)]

    async def questions(client):
        await client.post("/v1/recommend", json={"customers": rows[:1]})
        return await client.post("/v1/recommend", json={"customers": rows[1:]})

    assert live(questions, of=held).status_code == 200
    written = {row["customer"]: row["holdout"] for row in keys(url).values()}
    assert written == {
        row["member_id"]: assigned_holdouts(catalogue, row["member_id"]) for row in rows
    }
    assert "global" in written.values()


def test_a_full_disk_refuses_a_recommendation_instead_of_losing_it(live, url, member, monkeypatch):
    def full(self, records):
        raise OSError(28, "No space left on device")

    body = {"customers": [member(1, decide=True)]}

    async def questions(client):
        with monkeypatch.context() as patch:
            patch.setattr(WriteAheadLog, "add", full)
            refused = await client.post("/v1/recommend", json=body)
        return refused, await client.post("/v1/recommend", json=body)

    refused, answered = live(questions)
    assert (refused.status_code, answered.status_code) == (503, 200)
    assert len(keys(url)) == 1


def test_a_full_disk_is_counted_for_each_request_and_logged_once(live, member, monkeypatch, caplog):
    def full(self, records):
        raise OSError(28, "No space left on device")

    body = {"customers": [member(1, decide=True)]}

    async def questions(client):
        with monkeypatch.context() as patch:
            patch.setattr(WriteAheadLog, "add", full)
            refused = [await client.post("/v1/recommend", json=body) for _ in range(3)]
        await client.post("/v1/recommend", json=body)
        return refused, (await client.get("/metrics")).text

    with caplog.at_level("INFO"):
        refused, metrics = live(questions)
    assert {answer.status_code for answer in refused} == {503}
    assert "cannot be stored" in refused[0].json()["detail"]
    assert "churnkit_spool_failures_total 3.0" in metrics
    assert sum("decisions are refused" in line for line in caplog.messages) == 1
    assert sum("can be stored again" in line for line in caplog.messages) == 1


@pytest.mark.parametrize("policy", ["always", "second", "never"])
def test_the_sync_policy_decides_when_the_disk_has_a_decision(live, member, monkeypatch, policy):
    synced: list[int] = []
    monkeypatch.setattr(WriteAheadLog, "sync", lambda self: synced.append(self._size))
    body = {"customers": [member(1, decide=True)]}

    async def questions(client):
        await client.post("/v1/recommend", json=body)
        return list(synced)

    before_the_end = live(questions, spool_sync=policy)
    assert bool(before_the_end and before_the_end[0]) == (policy == "always")


def test_no_recommendation_is_made_before_the_journal_is_set_up(ask, member, model, tmp_path):
    app = create_app(model, journal=f"sqlite:///{tmp_path / 'j.db'}")
    answer = ask("/v1/recommend", {"customers": [member(1, decide=True)]}, to=app)
    assert answer.status_code == 503


def test_a_start_that_fails_is_reported_to_the_server(model, tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir(mode=0o755)
    app = create_app(model, journal=f"sqlite:///{tmp_path / 'j.db'}", spool=str(spool))
    sent: list[Any] = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message)

    with pytest.raises(Exception, match="chmod 700"):
        asyncio.run(app({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
