"""Descriptions of providers against answers as their documentation has them, in two pages."""

from __future__ import annotations

import gzip
import io
import json
import zipfile

import pyarrow.parquet as pq
import pytest

from churnkit.connect import (
    Amplitude,
    Chargebee,
    Delighted,
    Env,
    Intercom,
    Mixpanel,
    PostHog,
    Provider,
    Qualtrics,
    SurveyMonkey,
    Trustpilot,
    Typeform,
)
from tests.connect.servers.faults import ProviderServer, Refused

KEY = Env("PROVIDER_KEY")
DAY = 1_760_000_000


class CannedServer(ProviderServer):
    """Answers from a function of method, path, query and body."""

    def __init__(self, clock, answer):
        super().__init__(clock)
        self.answer = answer

    def authorize(self, headers):
        if not any("canary" in value or value.startswith("Basic ") for value in headers.values()):
            raise Refused(401, {})

    def handle(self, method, path, query, headers, body):
        return self.answer(path, query, json.loads(body) if body else None)


def chargebee(path, query, body):
    assert (path, query["include_deleted"]) == ("/api/v2/subscriptions", "true")
    start = int(query.get("offset", "0"))
    rows = [
        {"subscription": {"id": f"s{n}", "customer_id": "c", "started_at": DAY, "deleted": n == 3}}
        for n in range(start, start + 2)
    ]
    return {"list": rows, **({"next_offset": "2"} if not start else {})}


def intercom(path, query, body):
    assert body["query"]["operator"] == ">"
    assert isinstance(body["query"]["value"], int)
    start = body["pagination"].get("starting_after")
    ids = ["3"] if start else ["1", "2"]
    rows = [{"id": i, "created_at": DAY, "updated_at": DAY, "external_id": "c"} for i in ids]
    pages = {} if start else {"next": {"starting_after": "x"}}
    return {"data": rows, "pages": pages}


def typeform(path, query, body):
    assert path == "/forms/f1/responses"
    tokens = {None: ["a", "b"], "b": ["c"]}.get(query.get("before"), [])
    moment = "2026-11-01T08:00:00Z"
    return {"items": [{"token": t, "submitted_at": moment, "hidden": {}} for t in tokens]}


def numbered(rows_key, row):
    def answer(path, query, body):
        count = 100 if query["page"] == "1" else 3
        start = 100 * (int(query["page"]) - 1)
        rows = [{**row, "id": str(start + n)} for n in range(count)]
        return {rows_key: rows} if rows_key else rows

    return answer


def qualtrics(path, query, body):
    if body is not None:
        return {"result": {"progressId": "ES_1"}}
    if path.endswith("/file"):
        assert "/file_7/" in path
        rows = [{"responseId": f"R{n}", "values": {"recordedDate": "2026-11-01T08:00:00Z", "finished": 1, "QID1": n}} for n in range(3)]  # fmt: skip
        return zipped({"survey.json": json.dumps({"responses": rows}).encode()})
    POLLS.append(path)
    state = "complete" if len(POLLS) > 1 else "inProgress"
    return {"result": {"status": state, "fileId": "file_7"}}


POLLS: list[str] = []


def zipped(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def mixpanel(path, query, body):
    assert (query["from_date"], query["to_date"]) == ("2026-10-01", "2026-11-02")
    events = [
        {"event": "open", "properties": {"$insert_id": f"i{n}", "time": DAY, "distinct_id": "c"}}
        for n in range(3)
    ]
    return "\n".join(map(json.dumps, [*events, events[-1]])).encode()


def amplitude(path, query, body):
    assert query == {"start": "20261001T00", "end": "20261102T08"}
    events = [{"uuid": f"u{n}", "event_time": "2026-11-01 08:00:00.5", "user_id": "c"} for n in range(3)]  # fmt: skip
    lines = "\n".join(map(json.dumps, events)).encode()
    return zipped({"1/a.json.gz": gzip.compress(lines[: lines.index(b"\n")]), "1/b.json.gz": gzip.compress(lines[lines.index(b"\n") + 1 :])})  # fmt: skip


def posthog(path, query, body):
    query = body["query"]["query"]
    after = query.partition("toString(uuid) > '")[2].partition("'")[0]
    uuids = [u for u in ("a", "b", "c") if u > after][:2]
    return {"results": [[u, "open", "c", "2026-11-01T08:00:00Z", "2026-11-01T08:00:01Z"] for u in uuids]}  # fmt: skip


MOMENT = "2026-11-01T08:00:00Z"
MONKEY = numbered("data", {"date_created": MOMENT, "date_modified": MOMENT})
CASES = {
    "chargebee": (Chargebee(key=KEY, site="acme", streams=("subscriptions",)), chargebee, "subscriptions", 4),
    "intercom": (Intercom(key=KEY, streams=("contacts",)), intercom, "contacts", 3),
    "typeform": (Typeform(key=KEY, form="f1"), typeform, "responses", 3),
    "surveymonkey": (SurveyMonkey(key=KEY, survey="7"), MONKEY, "responses", 103),
    "delighted": (Delighted(key=KEY), numbered("", {"created_at": DAY, "updated_at": DAY, "score": 9}), "survey_responses", 103),
    "trustpilot": (Trustpilot(key=KEY, business_unit="b"), numbered("reviews", {"createdAt": MOMENT, "stars": 4}), "reviews", 103),
    "qualtrics": (Qualtrics(key=KEY, datacenter="fra1", survey="SV_1"), qualtrics, "responses", 3),
    "mixpanel": (Mixpanel(key=KEY, user="u", project="1", first_date="2026-10-01"), mixpanel, "events", 3),
    "amplitude": (Amplitude(key=KEY, secret=KEY, first_hour="20261001T00"), amplitude, "events", 3),
    "posthog": (PostHog(key=KEY, project="1"), posthog, "events", 3),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_provider_is_read_to_its_last_page_and_repeated_rows_are_left_out(
    case, run_pull, clock, tmp_path
):
    source, answer, stream, count = CASES[case]
    POLLS.clear()
    run_pull(source, CannedServer(clock, answer), clock)
    table = pq.read_table(tmp_path / "data" / f"s_{stream}.parquet")
    assert table.num_rows == count
    assert len(set(table["id"].to_pylist())) == count
    time = next(name for name in table.column_names if name.endswith("_at"))
    assert table[time].null_count == 0


def test_an_export_without_events_is_an_empty_table(run_pull, clock, tmp_path):
    def nothing(path, query, body):
        raise Refused(404, {})

    run_pull(CASES["amplitude"][0], CannedServer(clock, nothing), clock)
    assert pq.read_table(tmp_path / "data" / "s_events.parquet").num_rows == 0


def test_every_provider_is_a_description_of_at_most_120_lines():
    from pathlib import Path

    from churnkit import connect

    providers = [v for v in map(connect.__dict__.get, dir(connect)) if isinstance(v, Provider)]
    assert providers
    folder = Path(connect.__file__).parent / "providers"
    for file in folder.rglob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 120, file.name
