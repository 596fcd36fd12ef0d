import math
import re
from dataclasses import replace

import numpy as np
import pytest

from churnkit.bundle.contents import ModelContents
from churnkit.bundle.model import RetentionModel
from churnkit.models import VennAbers
from churnkit.server import create_app


def sigmoid(raw):
    return 1 / (1 + math.exp(-raw))


def numbers(records):
    """Leave out what is another one with each answer."""
    return [{k: v for k, v in record.items() if k != "prediction_id"} for record in records]


ANNA = {
    "member_id": "anna",
    "tenure": 6,
    "plan": "plus",
    "city": "Oslo",
    "fee": 100.0,
    "sauna": True,
}
# tenure half way from 1 to 0; plus 0; Oslo -1/4; fee a third of .5; sauna -3/4; bias -1
ANNA_RAW = 0.5 + 0.0 - 0.25 + 0.5 / 3 - 0.75 - 1.0


def test_predict_gives_the_probability_that_the_model_s_arithmetic_gives(ask, model):
    answer = ask("/v1/predict", {"customers": [ANNA]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    [prediction] = answer.json()["predictions"]
    assert prediction["member_id"] == "anna"
    assert prediction["churn_probability"] == pytest.approx(sigmoid(ANNA_RAW), abs=1e-12)
    digest = model.digest
    assert answer.json()["model"] == {"name": "gym", "version": digest[7:19], "digest": digest}


def test_predict_adds_the_interval_of_a_probability_on_request(ask, model, member):
    rng = np.random.default_rng(0)
    probability = rng.random(200)
    intervals = VennAbers.fit(probability, rng.random(200) < probability)
    measured = RetentionModel(replace(model.contents, intervals=intervals), model.manifest)
    app = create_app(measured)
    members = [member(place) for place in range(12)]
    body = {"customers": members, "interval": True}
    together = ask("/v1/predict", body, to=app).json()["predictions"]
    for row, answer in zip(together, measured.predict(members, interval=True), strict=True):
        for name in ("churn_probability", "probability_low", "probability_high"):
            assert row[name] == answer[name]
    alone = ask("/v1/predict", body | {"customers": members[:1]}, to=app).json()["predictions"]
    assert numbers(alone) == numbers(together[:1])
    schemas = ask("/openapi.json", to=app).json()["components"]["schemas"]
    assert "interval" in schemas["PredictRequest"]["properties"]
    plain = ask("/v1/predict", {"customers": members, "interval": False}, to=app)
    assert "probability_low" not in plain.json()["predictions"][0]
    broken = {**members[0], "tenure": "x"}
    partial = body | {"customers": [broken, members[1]], "partial": True}
    rows = ask("/v1/predict", partial, to=app).json()["predictions"]
    assert ["probability_low" in row for row in rows] == [False, True]


def test_an_interval_from_a_model_without_intervals_is_refused(ask):
    answer = ask("/v1/predict", {"customers": [ANNA], "interval": True})
    assert answer.status_code == 422
    [violation] = answer.json()["violations"]
    assert violation["column"] == "interval"
    assert violation["remedy"] == "leave it out: the model was trained without intervals"
    schemas = ask("/openapi.json").json()["components"]["schemas"]
    assert "interval" not in schemas["PredictRequest"]["properties"]


def test_rows_come_back_in_order_with_the_ids_they_had(ask, member, model):
    members = [member(place) for place in range(50)]
    predictions = ask("/v1/predict", {"customers": members}).json()["predictions"]
    expected = model.predict(members)
    assert [p["member_id"] for p in predictions] == [m["member_id"] for m in members]
    for got, row in zip(predictions, expected, strict=True):
        assert got["churn_probability"] == row["churn_probability"]


def test_one_row_and_many_rows_give_the_same_bits(ask, member):
    members = [member(place) for place in range(40)]
    together = ask("/v1/predict", {"customers": members}).json()["predictions"]
    alone = [ask("/v1/predict", {"customers": [m]}).json()["predictions"][0] for m in members]
    assert numbers(alone) == numbers(together)


def test_a_category_that_training_never_saw_is_read_as_the_contract_says(ask):
    rome = ask("/v1/predict", {"customers": [ANNA | {"city": "Rome"}]}).json()
    none = ask("/v1/predict", {"customers": [ANNA | {"city": None}]}).json()
    assert numbers(rome["predictions"]) == numbers(none["predictions"])
    [warning] = rome["warnings"]
    assert warning["remedy"]
    assert {**warning, "remedy": ""} == {
        "column": "city",
        "rule": "unknown_category",
        "count": 1,
        "positions": [0],
        "remedy": "",
    }
    assert none["warnings"] == []


def test_explain_names_the_strongest_reasons_in_the_schema_s_words(ask):
    answer = ask("/v1/explain", {"customers": [ANNA], "top": 2}).json()
    [prediction] = answer["predictions"]
    assert [reason["reason"] for reason in prediction["reasons"]] == [
        "Uses the sauna: yes",
        "Member for: 6 months",
    ]
    first = prediction["reasons"][0]
    assert first["contribution"] == pytest.approx(-0.75)
    # Its share of the way from the base log-odds of -1 to the score.
    points = -0.75 * 100 * (sigmoid(ANNA_RAW) - sigmoid(-1.0)) / (ANNA_RAW + 1.0)
    assert first["points"] == pytest.approx(points, abs=1e-9)


@pytest.mark.parametrize(("top", "shown"), [(None, 3), (1, 1), (4, 4), (20, 4)])
def test_explain_gives_as_many_reasons_as_asked(ask, top, shown):
    body = {"customers": [ANNA]} if top is None else {"customers": [ANNA], "top": top}
    [prediction] = ask("/v1/explain", body).json()["predictions"]
    # The plan of this customer moves nothing and is no reason.
    assert len(prediction["reasons"]) == shown


def test_recommend_weighs_cost_against_the_value_kept(ask):
    body = {"customers": [ANNA | {"may_call": True}]}
    [prediction] = ask("/v1/recommend", body).json()["predictions"]
    stake = sigmoid(ANNA_RAW) * 100.0 * 12
    assert prediction["action"] == "offer"
    assert prediction["cost"] == 30.0
    assert prediction["expected_gain"] == pytest.approx(stake * 0.3 - 30.0)
    assert prediction["gain_low"] == pytest.approx(stake * 0.2 - 30.0)
    assert prediction["gain_high"] == pytest.approx(stake * 0.4 - 30.0)
    assert prediction["reason"]


def test_recommend_keeps_to_the_budget_of_the_request(ask, member):
    members = [member(place, decide=True) for place in range(50)]
    free = ask("/v1/recommend", {"customers": members}).json()["predictions"]
    assert sum(p["cost"] for p in free) > 100
    bound = ask("/v1/recommend", {"customers": members, "budget": 100}).json()["predictions"]
    assert 0 < sum(p["cost"] for p in bound) <= 100
    none = ask("/v1/recommend", {"customers": members, "budget": 0}).json()["predictions"]
    assert {p["action"] for p in none} == {None}


def test_recommend_says_what_the_library_says(ask, member, model):
    members = [member(place, decide=True) for place in range(30)]
    told = ask("/v1/recommend", {"customers": members}).json()["predictions"]
    for got, row in zip(told, model.recommend(members), strict=True):
        assert got.pop("prediction_id")
        assert got == {name: row[name] for name in got}


def test_one_recommendation_has_the_numbers_that_it_has_among_many(ask, member):
    members = [member(place, decide=True) for place in range(40)]
    together = ask("/v1/recommend", {"customers": members}).json()["predictions"]
    for budget in (None, 0, 6, 30.0):
        for one, among in zip(members, together, strict=True):
            body = {"customers": [one], "budget": budget}
            [alone] = ask("/v1/recommend", body).json()["predictions"]
            if budget is None or among["cost"] <= budget:
                assert numbers([alone]) == numbers([among])
            else:
                assert alone["cost"] <= budget


def test_each_prediction_has_an_id_of_its_own(ask, member):
    body = {"customers": [member(place) for place in range(20)]}
    told = [row for _ in range(3) for row in ask("/v1/predict", body).json()["predictions"]]
    ids = [row["prediction_id"] for row in told]
    assert len(set(ids)) == 60
    assert len({name.rsplit("-")[0] for name in ids}) == 3
    assert [name.rsplit("-")[1] for name in ids[:20]] == [str(row) for row in range(20)]


@pytest.mark.parametrize("question", ["predict", "explain", "recommend"])
def test_a_partial_answer_reports_broken_customers_in_place(ask, member, question):
    decide = question == "recommend"
    rows = [member(place, decide=decide) for place in range(6)]
    whole = ask(f"/v1/{question}", {"customers": [rows[0], rows[3]]}).json()["predictions"]
    rows[1] = rows[1] | {"tenure": -1, "anna-7431": 2}
    rows[2] = dict[str, object]()
    rows[4] = rows[4] | {"member_id": ["x"]}
    rows[5] = rows[5] | {"plan": "anna-7431"}
    assert ask(f"/v1/{question}", {"customers": rows}).status_code == 422
    answer = ask(f"/v1/{question}", {"customers": rows, "partial": True})
    assert answer.status_code == 200
    told = answer.json()["predictions"]
    assert [row["member_id"] for row in told] == ["m0", "m1", None, "m3", None, "m5"]
    assert numbers([told[0], told[3]]) == numbers(whole)
    broken = [told[place] for place in (1, 2, 4, 5)]
    assert {row["churn_probability"] for row in broken} == {None}
    assert {(p["column"], p["rule"]) for p in told[1]["problem"]} == {
        ("tenure", "ge(0)"),
        ("anna-7431", "unknown_column"),
    }
    assert {p["rule"] for p in told[2]["problem"]} == {"missing_column"}
    assert [p["column"] for p in told[5]["problem"]] == ["plan"]
    assert all(p["remedy"] for row in broken for p in row["problem"])


def test_a_partial_recommendation_decides_a_customer_once(ask, member):
    rows = [member(place, decide=True) for place in (1, 2, 1)]
    told = ask("/v1/recommend", {"customers": rows, "partial": True}).json()["predictions"]
    assert ["problem" in row for row in told] == [False, False, True]
    assert told[2]["problem"][0]["rule"] == "unique"
    assert told[2]["member_id"] == "m1"


def test_a_number_beyond_what_training_saw_is_scored_with_a_warning(ask, model):
    limits = np.tile([-np.inf, np.inf], (5, 1))
    limits[0] = 1, 100
    ranged = RetentionModel(replace(model.contents, ranges=limits))
    app = create_app(ranged)
    far = [ANNA, ANNA | {"tenure": 1000}, ANNA | {"tenure": 0}]
    answer = ask("/v1/predict", {"customers": far}, to=app).json()
    assert [(w["column"], w["rule"], w["positions"]) for w in answer["warnings"]] == [
        ("tenure", "out_of_range", [1, 2])
    ]
    assert ask("/v1/predict", {"customers": [ANNA]}, to=app).json()["warnings"] == []
    [warning] = ask("/v1/predict", {"customers": [far[1]]}, to=app).json()["warnings"]
    assert (warning["column"], warning["count"], warning["positions"]) == ("tenure", 1, [0])


@pytest.mark.parametrize(
    ("sent", "echoed"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("anna-7431", False),
    ],
)
def test_a_trace_comes_back_with_the_answer_if_it_is_one(ask, sent, echoed):
    headers = {"content-type": "application/json", "traceparent": sent}
    for change in ({}, {"tenure": -1}):
        answer = ask("/v1/predict", {"customers": [ANNA | change]}, headers=headers)
        assert answer.headers.get("traceparent") == (sent if echoed else None)


def test_the_model_describes_itself(ask, model):
    facts = ask("/v1/model").json()
    assert facts["digest"] == model.digest
    assert facts["lineage"] == {"seed": 0}
    assert facts["card"] == {"rows": 7}
    columns = {column["name"]: column for column in facts["columns"]}
    assert columns["tenure"]["title"] == "Member for"
    assert columns["tenure"]["unit"] == "months"
    assert "phone" not in columns
    assert "left" not in columns
    assert [action["name"] for action in facts["actions"]] == ["call", "offer"]


def test_the_root_links_to_what_there_is(ask):
    page = ask("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    links = re.findall(r'href="([^"]+)"', page.text)
    assert len(links) == 6
    for link in links:
        assert ask(f"/{link}").status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json", "/v1/model"])
def test_what_can_be_looked_at_answers(ask, path):
    assert ask(path).status_code == 200
    assert ask(path, method="HEAD").status_code == 200


def test_answers_are_kept_by_no_cache_and_guessed_at_by_no_browser(ask):
    for answer in (ask("/v1/predict", {"customers": [ANNA]}), ask("/v1/predict", {}), ask("/x")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_model_without_actions_has_no_recommendations_and_says_why(ask, model):
    parts = model.contents
    bare = RetentionModel(ModelContents(parts.contract, parts.scorer, parts.calibration))
    app = create_app(bare)
    answer = ask("/v1/recommend", {"customers": [ANNA]}, to=app)
    assert answer.status_code == 404
    assert "actions" in answer.json()["detail"]
    assert "/v1/recommend" not in ask("/openapi.json", to=app).json()["paths"]
    served = ask("/v1/predict", {"customers": [ANNA]}, to=app).json()["model"]
    assert served == {"name": "gym", "version": None, "digest": None}
