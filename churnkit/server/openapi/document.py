"""The endpoint's OpenAPI document, generated from the model's contract."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from churnkit import __version__
from churnkit.decisions import DecisionContext, History
from churnkit.server.http.arrow_body import ARROW
from churnkit.server.http.problem_details import PROBLEM_TYPE
from churnkit.server.http.route import JSON_TYPE
from churnkit.server.loaded_model import model_identity
from churnkit.server.openapi.example_row import example_row
from churnkit.server.openapi.schemas import TEXT, Schema, components, ref
from churnkit.server.routes.customers import ExplainBody, ScoreBody, explain_rows, predict_rows
from churnkit.server.routes.recommend import RecommendBody, rank_options, recommend_rows

if TYPE_CHECKING:
    from churnkit.server.loaded_model import LoadedModel
    from churnkit.server.routes.customers import Answer

__all__ = ["openapi_document"]

# Fixed, so that the document is the same whenever it is made.
_EXAMPLE_IDS = "0" * 24
_EXAMPLE_DAY = date(2026, 1, 31)
_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "description": "A request repeated with its key gets the first reply again.",
}
_OUTCOME_EXAMPLE: Schema = {
    "id": "order-4711",
    "kind": "accepted",
    "observed_at": "2026-01-31T10:00:00Z",
    "value": 1.0,
    "customer": "customer-1",
}
_REFUSALS = {
    "400": "The body is not JSON.",
    "401": "The service requires a key; it is missing or not valid.",
    "403": "The key lacks the scope; or no keys are configured and the client is another machine.",
    "408": "The body arrived too slowly.",
    "413": "The body is too large.",
    "415": "The body is not sent as application/json.",
    "422": "The body does not fit the contract; the violations name columns, rules and rows.",
    "429": "The key sent too many requests; retry-after gives the seconds to wait.",
    "503": "Too many requests are running; retry-after gives the seconds to wait.",
}
# With a key where the service has keys, otherwise without.
_SECURITY: list[Schema] = [{"key": []}, {}]
_TEXT_ROUTES = {
    "/livez": ("livez", "Whether the process runs"),
    "/readyz": ("readyz", "Whether it takes requests"),
    "/metrics": ("metrics", "Prometheus metrics"),
}


def openapi_document(loaded: LoadedModel, *, max_rows: int) -> dict[str, Any]:
    """Describe the endpoint of a model as OpenAPI 3.1.

    Parameters
    ----------
    loaded
        The model; it answers the examples.
    max_rows
        The most customers per request.

    Returns
    -------
    dict
        JSON-able data, with an example for each route that is made up from the contract and
        holds no customer's data.
    """
    paths: dict[str, Any] = {"/v1/predict": _predict(loaded), "/v1/explain": _explain(loaded)}
    if loaded.recommends:
        paths["/v1/recommend"] = _recommend(loaded)
    paths["/v1/outcomes"] = _outcomes()
    paths["/v1/model"] = _get("model", "The model that answers", JSON_TYPE, ref("ModelCard"))
    for path, (name, summary) in _TEXT_ROUTES.items():
        paths[path] = _get(name, summary, "text/plain", TEXT)
    contract = loaded.model.contract
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"churnkit: {loaded.model.name}",
            "version": loaded.version or __version__,
            "description": "Churn probabilities, the reasons for them, and the actions that pay.",
        },
        "paths": paths,
        "components": {
            "schemas": components(
                contract,
                max_rows=max_rows,
                recommends=loaded.recommends,
                ranks=loaded.ranks,
                intervals=loaded.model.contents.intervals is not None,
            ),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _predict(loaded: LoadedModel) -> Schema:
    row = example_row(loaded.model.contract, "predict")
    example = None if row is None else (row, predict_rows(loaded, ScoreBody([row]), _EXAMPLE_IDS))
    summary = "Each customer's churn probability"
    operation = _customers("predictions", "PredictRequest", summary, loaded=loaded, example=example)
    operation["post"]["description"] = (
        f"Large tables are faster in Arrow's stream format, {ARROW.decode()}, for the body and "
        "the reply."
    )
    return operation


def _explain(loaded: LoadedModel) -> Schema:
    row = example_row(loaded.model.contract, "predict")
    example = None if row is None else (row, explain_rows(loaded, ExplainBody([row]), _EXAMPLE_IDS))
    summary = "Each customer's churn probability with the strongest reasons for it"
    return _customers("explanations", "ExplainRequest", summary, loaded=loaded, example=example)


def _recommend(loaded: LoadedModel) -> Schema:
    row = example_row(loaded.model.contract, "recommend")
    example = None if row is None else (row, _recommend_example(loaded, RecommendBody([row])))
    summary = "For each customer the action that pays most, or none"
    if loaded.ranks:
        summary = "For each customer the options to show, best first"
    operation = _customers(
        "recommendations", "RecommendRequest", summary, loaded=loaded, example=example
    )
    operation["post"]["parameters"] = [_IDEMPOTENCY_KEY]
    return operation


def _recommend_example(loaded: LoadedModel, body: RecommendBody) -> Answer:
    """Decide on the example, as for a customer without past contacts."""
    context = None
    if loaded.needs_context:
        customer = str(body.customers[0][loaded.entity])
        context = DecisionContext([customer], _EXAMPLE_DAY, History())
    if not loaded.ranks:
        return recommend_rows(loaded, body, _EXAMPLE_IDS, context=context)
    bandit = loaded.model.ranker.bandit
    return rank_options(loaded, body, _EXAMPLE_IDS, bandit=bandit, context=context)


def _customers(
    operation: str,
    request: str,
    summary: str,
    *,
    loaded: LoadedModel,
    example: tuple[dict[str, Any], Answer] | None,
) -> Schema:
    """Return the operation of a route that reads customers."""
    body: Schema = {"schema": ref(request)}
    reply: Schema = {"schema": ref(operation.capitalize())}
    if example:
        row, answer = example
        body["example"] = {"customers": [row]}
        reply["example"] = {
            "predictions": answer.rows,
            "model": model_identity(loaded.model),
            "warnings": answer.warnings,
        }
    return _post(operation, summary, body, {"200": _response(summary, reply)})


def _outcomes() -> Schema:
    body = {"schema": ref("OutcomesRequest"), "example": {"outcomes": [_OUTCOME_EXAMPLE]}}
    counts = {"schema": ref("Written")}
    responses = {
        "200": _response("Number of outcomes written, and of duplicates", counts),
        "404": _problem("The service has no journal."),
        "409": _problem("The journal refuses it: an id came with another body before."),
    }
    return _post("outcomes", "Record the outcomes of decisions", body, responses)


def _post(operation: str, summary: str, body: Schema, responses: Schema) -> Schema:
    refusals = {status: _problem(description) for status, description in _REFUSALS.items()}
    return {
        "post": {
            "summary": summary,
            "security": _SECURITY,
            "operationId": operation,
            "requestBody": {"required": True, "content": {JSON_TYPE: body}},
            "responses": {**refusals, **responses, "default": _problem("Any other refusal.")},
        }
    }


def _get(operation: str, summary: str, media: str, schema: Schema) -> Schema:
    return {
        "get": {
            "summary": summary,
            "security": _SECURITY,
            "operationId": operation,
            "responses": {
                "200": _response(summary, {"schema": schema}, media),
                "default": _problem("A refusal."),
            },
        }
    }


def _response(description: str, content: Schema, media: str = JSON_TYPE) -> Schema:
    return {"description": description, "content": {media: content}}


def _problem(description: str) -> Schema:
    return _response(description, {"schema": ref("Problem")}, PROBLEM_TYPE)
