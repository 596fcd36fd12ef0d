import json
import logging

import httpx
import pytest

from churnkit.server import create_app

ROUTES = ["/v1/predict", "/v1/explain", "/v1/recommend"]
CANARY = "canary-7431"


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status
    assert said["type"].startswith("urn:churnkit:problem:")
    assert said["title"]
    assert said["detail"]
    return said


def rules(said):
    return {(v["column"], v["rule"]) for v in said["violations"]}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"tenure": -5}, ("tenure", "ge(0)")),
        ({"tenure": 10**400}, ("tenure", "finite")),
        ({"tenure": 3.5}, ("tenure", "type")),
        ({"tenure": "3"}, ("tenure", "type")),
        ({"tenure": True}, ("tenure", "type")),
        ({"tenure": None}, ("tenure", "not_null")),
        ({"tenure": [3]}, ("tenure", "type")),
        ({"tenure": {"a": {"b": []}}}, ("tenure", "type")),
        ({"plan": "gold"}, ("plan", "isin('basic', 'plus', 'pro')")),
        ({"plan": ""}, ("plan", "not_null")),
        ({"plan": 1}, ("plan", "type")),
        ({"fee": 1e9}, ("fee", "le(1000000.0)")),
        ({"sauna": 1}, ("sauna", "type")),
        ({"sauna": "yes"}, ("sauna", "type")),
        ({"seen_on": "yesterday"}, ("seen_on", "type")),
        ({"member_id": None}, ("member_id", "not_null")),
        ({"member_id": "x" * 65}, ("member_id", "max_length(64)")),
        ({"member_id": ["x"]}, ("member_id", "type")),
        ({"colour": CANARY}, ("colour", "unknown_column")),
        ({"phone": CANARY}, ("phone", "unknown_column")),
        ({"left": True}, ("left", "unknown_column")),
    ],
)
def test_a_broken_rule_is_named_with_its_column_and_rows_and_without_its_value(
    ask, member, route, change, expected
):
    decide = route == "/v1/recommend"
    rows = [member(place, decide=decide) for place in range(3)]
    rows[1] |= change
    said = problem(ask(route, {"customers": rows}), 422)
    [violation] = said["violations"]
    assert (violation["column"], violation["rule"]) == expected
    assert violation["positions"] == [1]
    assert violation["count"] == 1
    assert violation["remedy"]
    assert CANARY not in json.dumps(said)


@pytest.mark.parametrize("route", ROUTES)
def test_a_missing_column_is_named(ask, member, route):
    row = member(decide=route == "/v1/recommend")
    del row["tenure"]
    assert rules(problem(ask(route, {"customers": [row]}), 422)) == {("tenure", "missing_column")}


def test_a_column_that_decisions_read_is_missed_by_recommend_alone(ask, member):
    said = problem(ask("/v1/recommend", {"customers": [member()]}), 422)
    assert rules(said) == {("may_call", "missing_column")}


def test_all_broken_rules_are_told_at_once(ask, member):
    rows = [member(0) | {"tenure": -1}, member(1) | {"plan": 7, "fee": -1}, {}]
    said = problem(ask("/v1/predict", {"customers": rows}), 422)
    assert {("tenure", "ge(0)"), ("plan", "type"), ("fee", "ge(0)")} <= rules(said)
    assert ("tenure", "missing_column") in rules(said)


def test_many_broken_rows_are_counted_and_the_first_shown(ask, member):
    rows = [member(place) | {"tenure": -1} for place in range(40)]
    [violation] = problem(ask("/v1/predict", {"customers": rows}), 422)["violations"]
    assert violation["count"] == 40
    assert violation["positions"] == [0, 1, 2, 3, 4]


def test_a_customer_in_two_rows_of_a_recommendation_is_refused(ask, member):
    rows = [member(place, decide=True) for place in (0, 1, 0, 0)]
    [violation] = problem(ask("/v1/recommend", {"customers": rows}), 422)["violations"]
    assert (violation["column"], violation["rule"]) == ("member_id", "unique")
    assert (violation["count"], violation["positions"]) == (2, [2, 3])
    assert ask("/v1/predict", {"customers": [member(0), member(0)]}).status_code == 200


NOT_JSON = {
    "nothing": b"",
    "half": b'{"customers": [',
    "a word": b"hello",
    "NaN": b'{"customers": [{"fee": NaN}]}',
    "Infinity": b'{"customers": [{"fee": -Infinity}]}',
    "a lone surrogate": b'{"customers": [{"plan": "\\ud800"}]}',
    "a lone surrogate in a key": b'{"customers": [{"\\udfff": 1}]}',
    "no UTF-8": b'{"customers": [{"plan": "\xff\xfe"}]}',
    "an encoded surrogate": b'{"customers": [{"plan": "\xed\xa0\x80"}]}',
    "UTF-16": '{"customers": []}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"customers": []}',
    "something behind": b'{"customers": []} x',
    "single quotes": b"{'customers': []}",
    "deep nesting": b'{"customers": [{"fee": ' + b"[" * 19_000,
    "deep objects": b'{"customers": [{"fee": ' + b'{"a":' * 3_000,
    "a control character": b'{"customers": [{"plan": "\x01"}]}',
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_refused_with_400(ask, route, body):
    assert problem(ask(route, body), 400)["violations"] == []


SHAPES = {
    "a list": (b"[]", "", "shape"),
    "null": (b"null", "", "shape"),
    "no customers": (b"{}", "", "shape"),
    "null customers": (b'{"customers": null}', "customers", "shape"),
    "an object": (b'{"customers": {}}', "customers", "shape"),
    "a row that is none": (b'{"customers": [{}, 3]}', "customers", "shape"),
    "empty": (b'{"customers": []}', "customers", "empty"),
    "further": (b'{"customers": [{}], "extra": 1}', "extra", "unknown_field"),
    "infinite": (b'{"customers": [{"fee": 1e400}]}', "customers", "finite"),
    "endless": (b'{"customers": [{"fee": 1' + b"0" * 5_000 + b"}]}", "customers", "finite"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("body", "column", "rule"), SHAPES.values(), ids=SHAPES)
def test_json_of_another_shape_is_refused_with_422(ask, route, body, column, rule):
    said = problem(ask(route, body), 422)
    assert rules(said) == {(column, rule)}


@pytest.mark.parametrize("top", [0, 21, -1, 10**30, 2.5, "3", None, True, [1]])
def test_top_is_a_whole_number_from_1_to_20(ask, member, top):
    said = problem(ask("/v1/explain", {"customers": [member()], "top": top}), 422)
    assert rules(said) == {("top", "shape")}


def test_top_may_be_written_as_any_number_that_is_whole(ask, member):
    body = b'{"customers": [%s], "top": 2.0}' % json.dumps(member()).encode()
    assert len(ask("/v1/explain", body).json()["predictions"][0]["reasons"]) == 2


@pytest.mark.parametrize("budget", [-1, -1e-9, "100", True, [1]])
def test_a_budget_is_zero_or_more(ask, member, budget):
    body = {"customers": [member(decide=True)], "budget": budget}
    assert rules(problem(ask("/v1/recommend", body), 422)) == {("budget", "shape")}


def test_a_budget_beyond_all_doubles_is_refused(ask, member):
    body = {"customers": [member(decide=True)], "budget": 10**400}
    assert rules(problem(ask("/v1/recommend", body), 422)) == {("budget", "finite")}


def test_too_many_customers_are_refused(ask, member):
    rows = [member(place) for place in range(51)]
    [violation] = problem(ask("/v1/predict", {"customers": rows}), 422)["violations"]
    assert (violation["rule"], violation["count"]) == ("max_rows(50)", 51)


def test_a_body_that_says_it_is_too_large_is_refused(ask):
    said = problem(ask("/v1/predict", b" " * 20_001), 413)
    assert "20,000 bytes" in said["detail"]


def test_a_body_that_turns_out_too_large_is_refused(app):
    async def chunks():
        for _ in range(30):
            yield b" " * 1_000

    async def send():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(
                "/v1/predict", content=chunks(), headers={"content-type": "application/json"}
            )

    import asyncio

    answer = asyncio.run(send())
    assert "content-length" not in answer.request.headers
    problem(answer, 413)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/vnd.bentoml+pickle"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "application/jsonx"},
    ],
)
def test_another_media_type_is_refused(ask, member, headers):
    problem(ask("/v1/predict", {"customers": [member()]}, headers=headers), 415)


@pytest.mark.parametrize(
    "media", ["application/json; charset=utf-8", "Application/JSON", "application/json;"]
)
def test_json_may_be_spelled_as_http_allows(ask, member, media):
    answer = ask("/v1/predict", {"customers": [member()]}, headers={"content-type": media})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/v1/predict", "GET", "POST"),
        ("/v1/explain", "DELETE", "POST"),
        ("/v1/recommend", "PUT", "POST"),
        ("/v1/model", "POST", "GET, HEAD"),
        ("/livez", "POST", "GET, HEAD"),
        ("/metrics", "TRACE", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(ask, path, method, allow):
    answer = ask(path, method=method)
    problem(answer, 405)
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    "path",
    [
        *("/v1", "/v1/predict/", "/v2/predict", "/%00", "/a b", "/v1//predict"),
        *("//", "///", "//v1/model"),
    ],
)
def test_an_unknown_path_is_refused(ask, path):
    # A relative path would lose its first slashes in httpx.
    problem(ask(f"http://service{path}"), 404)


@pytest.mark.parametrize(
    ("body", "column", "rows"),
    [
        (b'{"customers": [{"member_id": "a", "member_id": "b", %s}]}', "member_id", [0]),
        (b'{"customers": [{"m\\u0065mber_id": "a", "member_id" : "b", %s}]}', "member_id", [0]),
        (b'{"customers": [], "customers": [{"member_id": "a:b", %s}]}', "customers", []),
    ],
)
def test_a_key_that_stands_twice_is_refused(ask, member, body, column, rows):
    rest = {key: value for key, value in member().items() if key != "member_id"}
    inside = json.dumps(rest).encode()[1:-1]
    said = problem(ask("/v1/predict", body % inside), 422)
    assert rules(said) == {(column, "duplicate_column")}
    assert said["violations"][0]["positions"] == rows


def test_colons_and_quotes_inside_text_are_no_keys(ask, member):
    strange = member() | {"member_id": 'a": "b\\": :', "city": '":":\\'}
    answer = ask("/v1/predict", {"customers": [strange]})
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["member_id"] == 'a": "b\\": :'


def test_a_fault_of_the_service_is_a_500_and_its_log_holds_no_value(
    ask, model, member, monkeypatch, caplog
):
    def fault(*_args, **_settings):
        raise ValueError(f"cannot score {CANARY}")

    app = create_app(model)
    monkeypatch.setattr(type(model), "reasons", fault)
    with caplog.at_level(logging.DEBUG):
        answer = ask("/v1/explain", {"customers": [member()]}, to=app)
    assert CANARY not in answer.text
    problem(answer, 500)
    [record] = [r for r in caplog.records if r.name == "churnkit.server"]
    assert "ValueError in /v1/explain, at " in record.getMessage()
    assert CANARY not in caplog.text
