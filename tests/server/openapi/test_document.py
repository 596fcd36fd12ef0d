import json

import jsonschema
import pytest

from churnkit.bundle.contents import ModelContents
from churnkit.bundle.model import RetentionModel
from churnkit.contracts import Check, Column, Contract
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer
from churnkit.server import create_app

QUESTIONS = ["/v1/predict", "/v1/explain", "/v1/recommend"]


@pytest.fixture(scope="module")
def document(ask):
    return ask("/openapi.json").json()


def body_of(document, route):
    return document["paths"][route]["post"]["requestBody"]["content"]["application/json"]


def reply_of(document, route, status="200", method="post"):
    [(media, content)] = document["paths"][route][method]["responses"][status]["content"].items()
    return media, content


def check(value, schema, document):
    jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(
        value
    )


def test_the_document_is_openapi_3_1_and_its_schemas_are_json_schemas(document):
    assert document["openapi"] == "3.1.0"
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("route", QUESTIONS)
def test_the_example_works_and_its_answer_is_the_one_shown(ask, document, route):
    body = body_of(document, route)
    check(body["example"], body["schema"], document)
    answer = ask(route, body["example"])
    assert answer.status_code == 200
    _, reply = reply_of(document, route)
    told, shown = answer.json(), json.loads(json.dumps(reply["example"]))
    for record in (*told["predictions"], *shown["predictions"]):
        assert record.pop("prediction_id").endswith("-0")
    assert told == shown
    check(answer.json(), reply["schema"], document)


def test_the_customers_are_described_by_the_contract(document, model):
    schemas = document["components"]["schemas"]
    customer, decided = (model.contract.to_json_schema(p) for p in ("predict", "recommend"))
    assert schemas["Customer"] == {**customer, "title": "Customer"}
    assert schemas["CustomerToDecide"] == {**decided, "title": "CustomerToDecide"}


def test_generators_find_a_name_for_each_schema_and_operation(document):
    schemas = document["components"]["schemas"]
    assert {name: schema["title"] for name, schema in schemas.items()} == {n: n for n in schemas}
    operations = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert len(set(operations)) == len(operations) == len(document["paths"])


@pytest.mark.parametrize("route", QUESTIONS)
def test_real_answers_and_refusals_fit_what_is_published(ask, document, member, route):
    rows = [member(place, decide=route == "/v1/recommend") for place in range(30)]
    _, reply = reply_of(document, route)
    check(ask(route, {"customers": rows}).json(), reply["schema"], document)
    partial = ask(route, {"customers": [rows[0], rows[1] | {"tenure": -1}], "partial": True})
    assert "problem" in partial.json()["predictions"][1]
    check(partial.json(), reply["schema"], document)
    for body, status in [(b"{", "400"), (b" " * 30_000, "413"), (b'{"customers": [{}]}', "422")]:
        media, refusal = reply_of(document, route, status)
        answer = ask(route, body)
        assert answer.status_code == int(status)
        assert answer.headers["content-type"] == media
        check(answer.json(), refusal["schema"], document)


def test_what_can_be_looked_at_fits_what_is_published(ask, document):
    _, reply = reply_of(document, "/v1/model", method="get")
    check(ask("/v1/model").json(), reply["schema"], document)
    for path in ("/livez", "/readyz", "/metrics"):
        media, _ = reply_of(document, path, method="get")
        assert ask(path).headers["content-type"].startswith(media)


def test_the_document_says_the_limits(document):
    customers = document["components"]["schemas"]["PredictRequest"]["properties"]["customers"]
    assert (customers["minItems"], customers["maxItems"]) == (1, 50)


def small_model(entity):
    tenure = Column("tenure", "integer", ("feature",))
    line = ColumnEffect.of_number([0, 1], [0, 1], missing=0.0)
    contract = Contract("small", (entity, tenure))
    return RetentionModel(
        ModelContents(contract, LinearScorer(0.0, [line]), Calibration.identity())
    )


def test_a_contract_that_defies_examples_still_has_a_document(ask):
    entity = Column("id", "string", ("entity",), checks=(Check("matches", r"(?=x)(?!q)\d|x$"),))
    app = create_app(small_model(entity))
    answer = ask("/openapi.json", to=app)
    assert answer.status_code == 200
    assert "example" not in body_of(answer.json(), "/v1/predict")


@pytest.mark.parametrize("number", [0, -7, 2**53 + 1, 2**64, 10**30, 12.0])
def test_a_number_that_names_a_customer_comes_back_as_it_was(ask, number):
    app = create_app(small_model(Column("id", "integer", ("entity",))))
    body = {"customers": [{"id": number, "tenure": 1}]}
    answer = ask("/v1/predict", body, to=app)
    assert answer.status_code == 200
    assert json.loads(answer.text)["predictions"][0]["id"] == number
