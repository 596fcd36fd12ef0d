"""The endpoint's OpenAPI page, generated from the model's contract."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from churnkit import __version__
from churnkit.decisions import DecisionContext, History
from churnkit.server.http.arrow_body import ARROW
from churnkit.server.http.endpoint import JSON_TYPE
from churnkit.server.http.problem_details import PROBLEM_TYPE
from churnkit.server.http.request_body import MAX_REASONS, ExplainBody, PredictBody, RecommendBody
from churnkit.server.openapi.example_row import example_row
from churnkit.server.openapi.model_description import served_by
from churnkit.server.openapi.schemas import TEXT, Schema, components, ref
from churnkit.server.routes.prediction_service import DEFAULT_REASONS, Answers

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.server.routes.prediction_service import Answer
    from churnkit.server.settings import Settings

__all__ = ["openapi_document"]

# An example's id, so that the page is the same whenever it is made.
_IDS = "0" * 24
_DAY = date(2026, 1, 31)
_PARTIAL: Schema = {
    "type": "boolean",
    "default": False,
    "description": "Whether customers that break a rule are reported in place and the others "
    "answered; else one such customer refuses them all.",
}
_IDEMPOTENCY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "A request that comes again under its key is answered as before.",
}
_OUTCOME: Schema = {
    "id": "order-4711",
    "kind": "accepted",
    "observed_at": "2026-01-31T10:00:00Z",
    "value": 1.0,
    "customer": "customer-1",
}
_REFUSALS = {
    "400": "The body is not JSON.",
    "401": "The service asks for a key, and there is none or a wrong one.",
    "403": "The key has not the scope; or there are no keys and the client is elsewhere.",
    "408": "The body came too slowly.",
    "413": "The body is too large.",
    "415": "The body is not sent as application/json.",
    "422": "The body does not fit the contract; the violations name columns, rules and rows.",
    "429": "The key sent too many requests; retry-after says when there is room.",
    "503": "Too many requests are under way; retry-after says when to come again.",
}


def openapi_document(model: RetentionModel, settings: Settings) -> dict[str, Any]:
    """Describe the endpoint of a model as OpenAPI 3.1.

    Parameters
    ----------
    model
        Whose contract gives the shape of a customer; it answers the examples, so that the page
        shows what really comes back.
    settings
        Whose limits are told.

    Returns
    -------
    JSON-able data, with an example for each question that is made from the contract: no
    customer's row is in it.
    """
    answers = Answers(model)
    asked = _Asked(model, answers, settings.max_rows)
    paths: dict[str, Any] = {
        "/v1/predict": asked.predict(),
        "/v1/explain": asked.explain(),
    }
    if answers.recommends:
        paths["/v1/recommend"] = asked.recommend()
        paths["/v1/recommend"]["post"]["parameters"] = [_IDEMPOTENCY]
    paths["/v1/outcomes"] = _outcomes(settings.max_rows)
    paths["/v1/model"] = _look("The model that answers", JSON_TYPE, ref("ModelCard"))
    for path, summary in _PLAIN.items():
        paths[path] = _look(summary, "text/plain", TEXT)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"churnkit: {model.name}",
            "version": served_by(model)["version"] or __version__,
            "description": "Who is likely to leave, why, and which action pays.",
        },
        "paths": paths,
        "components": {
            "schemas": components(
                model.contract, recommends=answers.recommends, ranks=answers.ranks
            ),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


# With a key where the service asks for keys, else without.
_SECURITY: list[Schema] = [{"key": []}, {}]
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
        told = None if row is None else self.answers.predict(b"", PredictBody([row]), ids=_IDS)
        summary = "Each customer's probability of leaving"
        asked = self._question(
            summary, answer="Predictions", customer="Customer", fields={}, row=row, told=told
        )
        asked["post"]["description"] = (
            f"Large tables are answered faster in Arrow's stream format, {ARROW.decode()}, in the "
            "body and in the answer."
        )
        return asked

    def explain(self) -> Schema:
        row = example_row(self.model.contract, "predict")
        told = None if row is None else self.answers.explain(b"", ExplainBody([row]), ids=_IDS)
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
        told = None if row is None else self._decided(RecommendBody([row]))
        budget = {
            "type": ["number", "null"],
            "minimum": 0,
            "description": "The most that the actions of this request may cost together.",
        }
        ranks = self.answers.ranks
        summary = "For each customer the action that pays most, or none"
        if ranks:
            summary = "For each customer the options to show, best first"
        return self._question(
            summary,
            answer="Recommendations",
            customer="CustomerToDecide",
            fields={} if ranks else {"budget": budget},
            row=row,
            told=told,
        )

    def _decided(self, body: RecommendBody) -> Answer:
        """Decide on an example, a stranger on an ordinary day."""
        context = None
        if self.answers.context_requirements:
            entity = self.model.contract.entity.name
            context = DecisionContext([str(body.customers[0][entity])], _DAY, History())
        ranker = self.model.parts.ranker
        if ranker is None:
            return self.answers.recommend(b"", body, ids=_IDS, context=context)
        return self.answers.rank(b"", body, ids=_IDS, values=ranker.bandit, context=context)

    def _question(
        self,
        summary: str,
        *,
        answer: str,
        customer: str,
        fields: Schema,
        row: dict[str, Any] | None,
        told: Answer | None,
    ) -> Schema:
        customers = {
            "type": "array",
            "items": ref(customer),
            "minItems": 1,
            "maxItems": self.max_rows,
        }
        body: Schema = {
            "schema": {
                "type": "object",
                "properties": {"customers": customers, "partial": _PARTIAL, **fields},
                "required": ["customers"],
                "additionalProperties": False,
            }
        }
        reply: Schema = {"schema": ref(answer)}
        if told is not None:
            body["example"] = {"customers": [row]}
            reply["example"] = {
                "predictions": told.rows,
                "model": served_by(self.model),
                "warnings": told.warnings,
            }
        responses = {"200": {"description": summary, "content": {JSON_TYPE: reply}}}
        refusals = {status: _problem(said) for status, said in _REFUSALS.items()}
        return {
            "post": {
                "summary": summary,
                "security": _SECURITY,
                "operationId": answer[0].lower() + answer[1:],
                "requestBody": {"required": True, "content": {JSON_TYPE: body}},
                "responses": responses | refusals | {"default": _problem("Any other refusal.")},
            }
        }


def _outcomes(max_rows: int) -> Schema:
    summary = "Write down what came of the decisions"
    outcomes = {"type": "array", "items": ref("Outcome"), "minItems": 1, "maxItems": max_rows}
    shape = {
        "type": "object",
        "properties": {"outcomes": outcomes},
        "required": ["outcomes"],
        "additionalProperties": False,
    }
    return {
        "post": {
            "summary": summary,
            "security": _SECURITY,
            "operationId": "outcomes",
            "requestBody": {
                "required": True,
                "content": {JSON_TYPE: {"schema": shape, "example": {"outcomes": [_OUTCOME]}}},
            },
            "responses": {
                "200": {
                    "description": "How many are new, and how many were known",
                    "content": {JSON_TYPE: {"schema": ref("Written")}},
                },
                **{status: _problem(said) for status, said in _REFUSALS.items()},
                "404": _problem("The service keeps no journal."),
                "409": _problem("The journal refuses it: an id came with another body before."),
                "default": _problem("Any other refusal."),
            },
        }
    }


def _look(summary: str, media: str, schema: Schema) -> Schema:
    return {
        "get": {
            "summary": summary,
            "security": _SECURITY,
            "responses": {
                "200": {"description": summary, "content": {media: {"schema": schema}}},
                "default": _problem("A refusal."),
            },
        }
    }


def _problem(description: str) -> Schema:
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": ref("Problem")}}}
