"""The page in docs/openapi is the one that the Telco model of this project serves."""

import json
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from churnkit.bundle.contents import ModelContents
from churnkit.bundle.model import RetentionModel
from churnkit.contracts import Contract
from churnkit.models.calibration.maps import Calibration
from churnkit.models.calibration.venn_abers import VennAbers
from churnkit.models.scorers.additive import ColumnEffect, LinearScorer
from churnkit.server import create_app
from churnkit.server.loaded_model import LoadedModel
from churnkit.server.observability.metrics import Metrics
from churnkit.server.openapi.document import openapi_document
from churnkit.server.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "openapi" / "telco.json"


@pytest.fixture(scope="module")
def telco():
    """The contract and the actions of the Telco recipe, with scores that come from no data."""
    from schemas.telco import Telco
    from training.telco import actions

    contract = Contract.from_schema(Telco)
    flat = [
        ColumnEffect.of_number([0, 1], [0, 0], missing=0.0)
        if column.levels is None
        else ColumnEffect.of_category([0.0] * len(column.levels), missing=0.0)
        for column in contract.features
    ]
    intervals = VennAbers(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.5, 1.0]))
    identity = Calibration.identity()
    return RetentionModel(
        ModelContents(contract, LinearScorer(0.0, flat), identity, actions, intervals=intervals)
    )


@pytest.fixture(scope="module")
def page():
    return json.loads(PAGE.read_text(encoding="utf-8"))


def test_the_page_is_current(telco):
    made = (
        json.dumps(
            openapi_document(LoadedModel(telco, Metrics()), max_rows=Settings().max_rows),
            indent=1,
            sort_keys=True,
        )
        + "\n"
    )
    assert PAGE.read_text(encoding="utf-8") == made, f"write it anew:\n{made[:500]}"


QUESTIONS = ["/v1/predict", "/v1/explain", "/v1/recommend"]


@pytest.mark.parametrize("path", QUESTIONS)
def test_its_examples_work(ask, telco, page, path):
    body = page["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    schema = {**body["schema"], "components": page["components"]}
    jsonschema.Draft202012Validator(schema).validate(body["example"])
    answer = ask(path, body["example"], to=create_app(telco))
    assert answer.status_code == 200
    said = page["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
    schema = {**said["schema"], "components": page["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer.json())


def typed_client(page):
    """Write a client from the page: a TypedDict for each object, a function for each question.

    It stands for the generators that people use, which need the same of a page: names for
    schemas, ids for operations, references that resolve.
    """
    lines = ["from typing import Any, Literal, NotRequired, TypedDict", ""]
    for name, schema in page["components"]["schemas"].items():
        if schema.get("type") != "object" or "properties" not in schema:
            continue
        needed = set(schema.get("required", ()))
        fields = ", ".join(
            f"{key!r}: {hint if key in needed else f'NotRequired[{hint}]'!r}"
            for key, value in schema["properties"].items()
            for hint in [hint_of(value)]
        )
        lines.append(f"{name} = TypedDict({name!r}, {{{fields}}})")
    for path, operations in page["paths"].items():
        if "post" not in operations:
            continue
        operation = operations["post"]
        told = operation["responses"]["200"]["content"]["application/json"]["schema"]
        lines += [
            f"def {operation['operationId']}(client: Any, **body: Any) -> {hint_of(told)!r}:",
            f"    answer = client.post({path!r}, json=body)",
            "    answer.raise_for_status()",
            "    return answer.json()",
        ]
    return "\n".join(lines)


def hint_of(schema):
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "enum" in schema:
        return f"Literal{schema['enum']!r}"
    if "anyOf" in schema:
        return " | ".join(hint_of(one) for one in schema["anyOf"])
    kinds = schema.get("type", "object")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    plain = {
        "string": "str",
        "integer": "int",
        "number": "float",
        "boolean": "bool",
        "null": "None",
        "object": "dict[str, Any]",
        "array": f"list[{hint_of(schema['items'])}]" if "items" in schema else "list[Any]",
    }
    return " | ".join(plain[kind] for kind in kinds)


def test_a_typed_client_is_generated_from_it_and_works(telco, page):
    code = typed_client(page)
    names: dict[str, object] = {}
    exec(compile(code, "client.py", "exec"), names)  # noqa: S102
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(page)))
    assert references <= set(page["components"]["schemas"])
    hints = names["Customer"].__annotations__
    assert set(hints) >= {"tenure", "Contract"}

    class Client:
        """As httpx.Client, of an application in this process."""

        def post(self, path, json):
            import asyncio

            import httpx

            async def send():
                transport = httpx.ASGITransport(app=create_app(telco))
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://localhost"
                ) as client:
                    return await client.post(path, json=json)

            return asyncio.run(send())

    for path in QUESTIONS:
        operation = page["paths"][path]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        ask = names[operation["operationId"]]
        told = ask(Client(), **example)  # type: ignore[operator]
        assert 0 <= told["predictions"][0]["churn_probability"] <= 1
