"""Routes that describe the service: model, OpenAPI document, metrics, probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from churnkit.server.http.problem_details import Problem
from churnkit.server.http.route import TEXT_TYPE, Handler, Reply, Request
from churnkit.server.loaded_model import model_identity
from churnkit.server.observability.metrics import METRICS_TYPE
from churnkit.server.openapi.document import openapi_document
from churnkit.server.openapi.reference_page import render_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from churnkit.bundle import RetentionModel
    from churnkit.contracts import Column
    from churnkit.server.loaded_model import LoadedModel
    from churnkit.server.service_state import ServiceState
    from churnkit.server.supervisor import Supervisor

__all__ = [
    "DescriptionHandler",
    "describe_model",
    "index",
    "metrics_handler",
    "model_handler",
    "openapi_handler",
    "probe",
    "readiness_handler",
    "reference_handler",
]

_HTML = "text/html; charset=utf-8"
_ALIVE = Reply(b"\n", TEXT_TYPE)
_LINKS = {
    "docs": "API reference",
    "openapi.json": "OpenAPI document: schemas, examples, errors",
    "v1/model": "The model in service: lineage, card, columns, actions",
    "metrics": "Prometheus metrics",
    "livez": "Liveness probe",
    "readyz": "Readiness probe",
}
_INDEX = Reply(
    (
        "<!doctype html><html lang=en><meta charset=utf-8><title>churnkit</title>"
        "<h1>Prediction service</h1><p>POST customers to /v1/predict, /v1/explain or "
        "/v1/recommend; outcomes to /v1/outcomes.</p><ul>"
        + "".join(f'<li><a href="{path}">{text}</a></li>' for path, text in _LINKS.items())
        + "</ul></html>"
    ).encode(),
    _HTML,
)


class DescriptionHandler:
    """A reply that describes the model in service, built once per model."""

    def __init__(self, state: ServiceState, describe: Callable[[LoadedModel], Reply]) -> None:
        self._state = state
        self._describe = describe
        self._loaded: LoadedModel | None = None
        self._reply = Reply(b"")

    async def __call__(self, _request: Request) -> Reply:
        """Answer a request."""
        loaded = self._state.loaded
        if loaded is not self._loaded:
            self._reply = self._describe(loaded)
            self._loaded = loaded
        return self._reply


def model_handler(state: ServiceState) -> Handler:
    """Return the handler of ``/v1/model``."""
    settings = state.settings
    reload = {
        "follows": bool(settings.follow and settings.poll_seconds),
        "signed": settings.signer is not None,
    }
    return DescriptionHandler(
        state, lambda loaded: _json({**describe_model(loaded.model), "reload": reload})
    )


def openapi_handler(state: ServiceState) -> Handler:
    """Return the handler of ``/openapi.json``."""
    max_rows = state.settings.max_rows
    return DescriptionHandler(
        state, lambda loaded: _json(openapi_document(loaded, max_rows=max_rows))
    )


def reference_handler(state: ServiceState) -> Handler:
    """Return the handler of ``/docs``, the API reference as a page."""
    max_rows = state.settings.max_rows
    return DescriptionHandler(
        state,
        lambda loaded: Reply(
            render_reference(openapi_document(loaded, max_rows=max_rows)).encode(), _HTML
        ),
    )


def _json(document: dict[str, Any]) -> Reply:
    return Reply(msgspec.json.encode(document))


def metrics_handler(state: ServiceState) -> Handler:
    """Return the handler of ``/metrics``."""

    async def metrics(_request: Request) -> Reply:
        return Reply(state.metrics.exposition(), METRICS_TYPE)

    return metrics


async def index(_request: Request) -> Reply:
    """Answer ``/`` with a page of links."""
    return _INDEX


async def probe(_request: Request) -> Reply:
    """Answer ``/livez``."""
    return _ALIVE


def readiness_handler(supervisor: Supervisor) -> Handler:
    """Return the handler of ``/readyz``: 503 while a background task does not run."""

    async def readiness(_request: Request) -> Reply:
        failing = supervisor.failing
        if failing:
            detail = f"background tasks have failed and are restarted: {', '.join(failing)}"
            raise Problem(503, "not-ready", detail, headers={"retry-after": "1"})
        return _ALIVE

    return readiness


def describe_model(model: RetentionModel) -> dict[str, Any]:
    """Return a model's identity, lineage, card, columns and actions as JSON-able data."""
    contract, actions = model.contract, model.contents.actions
    predict = {column.name for column in contract.required("predict")}
    recommend = {column.name for column in contract.required("recommend")} if actions else set()
    read = {column.name for column in contract.optional("predict")} | predict | recommend
    return {
        **model_identity(model),
        "lineage": dict(model.manifest.lineage) if model.manifest else {},
        "card": dict(model.card),
        "contract": {"name": contract.name, "digest": contract.digest},
        "columns": [
            {
                **_describe_column(column),
                "predict": column.name in predict,
                "recommend": column.name in recommend,
            }
            for column in contract.columns
            if column.name in read
        ],
        "actions": [
            {
                "name": action.name,
                "title": action.title,
                "channel": action.channel,
                "eligible": [str(rule) for rule in action.eligible],
            }
            for action in actions
        ],
    }


def _describe_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "title": column.title,
        "unit": column.unit,
        "type": column.type,
        "roles": list(column.roles),
        "nullable": column.nullable,
        "rules": [str(check) for check in column.checks],
        "categories": None if column.levels is None else list(column.levels),
    }
