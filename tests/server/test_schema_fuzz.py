"""Bodies made from the published schema, good and bad, against the real service."""

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

pytestmark = pytest.mark.server

ALWAYS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
GOOD, BAD = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
BOUNDED = settings(
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def schema(service):
    return schemathesis.openapi.from_url(f"{service.url}/openapi.json")


def read_as(body):
    """Write a body as the service reads it: blank text is a missing value."""
    if isinstance(body, dict):
        return {key: read_as(value) for key, value in body.items()}
    if isinstance(body, list):
        return [read_as(value) for value in body]
    return None if isinstance(body, str) and not body.strip(" \t\n\r\f\v") else body


def run(strategy, checks, *, also=None, examples=60):
    codes = []

    @settings(BOUNDED, max_examples=examples)
    @seed(0)
    @given(case=strategy)
    def test(case):
        response = case.call_and_validate(checks=checks)
        codes.append(response.status_code)
        if also is not None:
            also(case, response)

    test()
    return codes


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain"])
def test_every_body_that_fits_the_schema_is_answered(schema, path):
    codes = run(schema[path]["POST"].as_strategy(GOOD), [*ALWAYS, positive_data_acceptance])
    assert set(codes) == {200}
    assert len(codes) >= 50


def test_every_recommendation_that_fits_the_schema_is_answered_or_repeats_a_customer(schema):
    # That no customer stands twice is a rule that JSON Schema has no words for; how many bodies
    # break it depends on what else Hypothesis has seen, so there are more of them.
    codes = run(schema["/v1/recommend"]["POST"].as_strategy(GOOD), ALWAYS, examples=150)
    assert set(codes) <= {200, 422}
    assert codes.count(200) >= 30


@pytest.mark.parametrize("path", ["/v1/predict", "/v1/explain", "/v1/recommend"])
def test_every_body_that_does_not_fit_the_schema_is_refused(schema, path):
    published = schema.raw_schema
    [media] = published["paths"][path]["post"]["requestBody"]["content"].values()
    fits = jsonschema.Draft202012Validator(
        {**media["schema"], "components": published["components"]}
    ).is_valid

    def refused(case, response):
        if response.status_code == 200 and not fits(read_as(case.body)):
            # Asked for in part: then what does not fit is reported in its place.
            assert case.body["partial"] is True
            assert any("problem" in row for row in response.json()["predictions"])
        else:
            assert response.status_code in {200, 400, 415, 422}

    codes = run(schema[path]["POST"].as_strategy(BAD), ALWAYS, also=refused, examples=100)
    assert len(codes) >= 50
    # A header that does not fit, such as an idempotency-key with blanks, is answered by 400.
    assert codes.count(422) + codes.count(400) >= 40
    assert codes.count(422) >= 15


@pytest.mark.parametrize("path", ["/v1/model", "/livez", "/readyz", "/metrics"])
def test_every_view_fits_the_schema(schema, path):
    operation = schema[path]["GET"]
    response = operation.Case().call_and_validate(checks=[*ALWAYS, unsupported_method])
    assert response.status_code == 200
