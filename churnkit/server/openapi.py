"""The endpoint's OpenAPI page, generated from the model's contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit import __version__
from churnkit.server.answers import DEFAULT_REASONS, Answers
from churnkit.server.body import MAX_REASONS, ExplainBody, PredictBody, RecommendBody
from churnkit.server.describe import served_by
from churnkit.server.endpoint import JSON_TYPE
from churnkit.server.example import example_row
from churnkit.server.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.contracts.contract import Contract, Purpose

__all__ = ["openapi_document"]

Schema = dict[str, Any]

_NUMBER: Schema = {"type": "number"}
_TEXT: Schema = {"type": "string"}
_REFUSALS = {
    "400": "The body is not JSON.",
    "413": "The body is too large.",
    "415": "The body is not sent as application/json.",
    "422": "The body does not fit the contract; the violations name columns, rules and rows.",
}


def openapi_document(model: RetentionModel, answers: Answers, *, max_rows: int) -> dict[str, Any]:
    """Describe the endpoint of a model as OpenAPI 3.1.

    Parameters
    ----------
    model
        Whose contract gives the shape of a customer.
    answers
        Answers the example, so that the page shows what really comes back.
    max_rows
        The most customers in one request.

    Returns
    -------
    JSON-able data, with an example for each question that is made from the contract: no
    customer's row is in it.
    """
    asked = _Asked(model, answers, max_rows)
    paths: dict[str, Any] = {
        "/v1/predict": asked.predict(),
        "/v1/explain": asked.explain(),
    }
    if answers.recommends:
        paths["/v1/recommend"] = asked.recommend()
    paths["/v1/model"] = _look("The model that answers", JSON_TYPE, _ref("ModelCard"))
    for path, summary in _PLAIN.items():
        paths[path] = _look(summary, "text/plain", _TEXT)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"churnkit: {model.name}",
            "version": served_by(model)["version"] or __version__,
            "description": "Who is likely to leave, why, and which action pays.",
        },
        "paths": paths,
        "components": {"schemas": _components(model.contract, recommends=answers.recommends)},
    }


_PLAIN = {
    "/livez": "Whether the process is alive",
    "/readyz": "Whether it takes requests",
    "/metrics": "Counts for Prometheus",
}


class _Asked:
    """The questions of one model as OpenAPI operations."""

    def __init__(self, model: RetentionModel, answers: Answers, max_rows: int) -> None:
        self.model = model
        self.answers = answers
        self.max_rows = max_rows

    def predict(self) -> Schema:
        row = example_row(self.model.contract, "predict")
        told = None if row is None else self.answers.predict(b"", PredictBody([row]))
        summary = "Each customer's probability of leaving"
        return self._question(
            summary, answer="Predictions", customer="Customer", fields={}, row=row, told=told
        )

    def explain(self) -> Schema:
        row = example_row(self.model.contract, "predict")
        told = None if row is None else self.answers.explain(b"", ExplainBody([row]))
        top = {
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_REASONS,
            "default": DEFAULT_REASONS,
            "description": "How many reasons a customer has at most.",
        }
        summary = "Each customer's probability with the strongest reasons for it"
        return self._question(
            summary,
            answer="Explanations",
            customer="Customer",
            fields={"top": top},
            row=row,
            told=told,
        )

    def recommend(self) -> Schema:
        row = example_row(self.model.contract, "recommend")
        told = None if row is None else self.answers.recommend(b"", RecommendBody([row]))
        budget = {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "The most that the actions of this request may cost together.",
        }
        summary = "For each customer the action that pays most, or none"
        return self._question(
            summary,
            answer="Recommendations",
            customer="CustomerToDecide",
            fields={"budget": budget},
            row=row,
            told=told,
        )

    def _question(
        self,
        summary: str,
        *,
        answer: str,
        customer: str,
        fields: Schema,
        row: dict[str, Any] | None,
        told: list[dict[str, Any]] | None,
    ) -> Schema:
        customers = {
            "type": "array",
            "items": _ref(customer),
            "minItems": 1,
            "maxItems": self.max_rows,
        }
        body: Schema = {
            "schema": {
                "type": "object",
                "properties": {"customers": customers, **fields},
                "required": ["customers"],
                "additionalProperties": False,
            }
        }
        reply: Schema = {"schema": _ref(answer)}
        if row is not None:
            body["example"] = {"customers": [row]}
            reply["example"] = {"predictions": told, "model": served_by(self.model)}
        responses = {"200": {"description": summary, "content": {JSON_TYPE: reply}}}
        refusals = {status: _problem(said) for status, said in _REFUSALS.items()}
        return {
            "post": {
                "summary": summary,
                "operationId": answer[0].lower() + answer[1:],
                "requestBody": {"required": True, "content": {JSON_TYPE: body}},
                "responses": responses | refusals | {"default": _problem("Any other refusal.")},
            }
        }


def _look(summary: str, media: str, schema: Schema) -> Schema:
    return {
        "get": {
            "summary": summary,
            "responses": {
                "200": {"description": summary, "content": {media: {"schema": schema}}},
                "default": _problem("A refusal."),
            },
        }
    }


def _problem(description: str) -> Schema:
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": _ref("Problem")}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _components(contract: Contract, *, recommends: bool) -> Schema:
    served = _object({"name": _TEXT, "version": _nullable("string"), "digest": _nullable("string")})
    found: Schema = {
        "Customer": contract.to_json_schema("predict"),
        "Predictions": _predictions(contract, "predict", {}),
        "Explanations": _predictions(
            contract, "predict", {"reasons": {"type": "array", "items": _ref("Reason")}}
        ),
        "Reason": _object(
            {"column": _TEXT, "reason": _TEXT, "points": _NUMBER, "contribution": _NUMBER}
        ),
        "ServedBy": served,
        "ModelCard": _MODEL_CARD,
        "Problem": _PROBLEM,
    }
    if recommends:
        money = dict.fromkeys(("expected_gain", "gain_low", "gain_high", "cost"), _NUMBER)
        action = {"action": _nullable("string"), **money, "reason": _TEXT}
        found["CustomerToDecide"] = contract.to_json_schema("recommend")
        found["Recommendations"] = _predictions(contract, "recommend", action)
    return found


def _nullable(kind: str) -> Schema:
    return {"type": [kind, "null"]}


def _predictions(contract: Contract, purpose: Purpose, further: Schema) -> Schema:
    entity = contract.to_json_schema(purpose)["properties"][contract.entity.name]
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    one = _object({contract.entity.name: entity, "churn_probability": probability, **further})
    return _object({"predictions": {"type": "array", "items": one}, "model": _ref("ServedBy")})


_MODEL_CARD: Schema = _object(
    {
        "name": _TEXT,
        "version": _nullable("string"),
        "digest": _nullable("string"),
        "lineage": {"type": "object"},
        "card": {"type": "object"},
        "contract": _object({"name": _TEXT, "digest": _TEXT}),
        "columns": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "title": _TEXT,
                    "unit": _nullable("string"),
                    "type": _TEXT,
                    "roles": {"type": "array", "items": _TEXT},
                    "nullable": {"type": "boolean"},
                    "rules": {"type": "array", "items": _TEXT},
                    "categories": {"type": ["array", "null"], "items": _TEXT},
                    "predict": {"type": "boolean"},
                    "recommend": {"type": "boolean"},
                }
            ),
        },
        "actions": {
            "type": "array",
            "items": _object(
                {
                    "name": _TEXT,
                    "title": _TEXT,
                    "channel": _nullable("string"),
                    "eligible": {"type": "array", "items": _TEXT},
                }
            ),
        },
    }
)
_PROBLEM: Schema = _object(
    {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "violations": {
            "type": "array",
            "items": _object(
                {
                    "column": _TEXT,
                    "rule": _TEXT,
                    "count": {"type": "integer"},
                    "positions": {"type": "array", "items": {"type": "integer"}},
                    "mend": _TEXT,
                }
            ),
        },
    }
)
