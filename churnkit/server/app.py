"""The prediction endpoint as one ASGI application, for BentoML or any ASGI server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.routing import Route

from churnkit.server.answers import Answers, Rows
from churnkit.server.body import ExplainBody, PredictBody, RecommendBody, decode, read_body
from churnkit.server.describe import describe_model, served_by
from churnkit.server.endpoint import TEXT_TYPE, Endpoint, Receive, Reply, Scope
from churnkit.server.metrics import METRICS_TYPE, Metrics
from churnkit.server.openapi import openapi_document
from churnkit.server.problems import Problem

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel

__all__ = ["create_app"]

AnyBody = TypeVar("AnyBody", PredictBody, ExplainBody, RecommendBody)
AsyncReply = Callable[[Scope, Receive], Awaitable[Reply | None]]
_OTHER = "other"


def create_app(
    model: RetentionModel, *, max_rows: int = 1_000, max_body_bytes: int = 1_000_000
) -> Starlette:
    """Make the application that answers for a model.

    Parameters
    ----------
    model
        It serves for the application's whole life.
    max_rows
        The most customers in one request.
    max_body_bytes
        The most bytes in the body of one request.

    Returns
    -------
    The application: ``POST /v1/predict``, ``/v1/explain`` and, if the model has a catalogue of
    actions, ``/v1/recommend``; ``GET /v1/model``, ``/livez``, ``/readyz``, ``/metrics`` and
    ``/openapi.json``. Every refusal is ``application/problem+json``.
    """
    model.warm_up()
    metrics = Metrics()
    answers = Answers(model)
    envelope = _envelope(model)

    def post(kind: type[AnyBody], answer: Callable[[bytes, AnyBody], Rows]) -> AsyncReply:
        decoder = msgspec.json.Decoder(kind)

        async def reply(scope: Scope, receive: Receive) -> Reply | None:
            raw = await read_body(scope, receive, limit=max_body_bytes)
            if raw is None:
                return None
            # Scored inline: a customer takes microseconds, a thread would cost more.
            rows = answer(raw, decode(decoder, raw, max_rows=max_rows))
            return Reply(envelope(rows), rows=len(rows))

        return reply

    posts = {
        "/v1/predict": post(PredictBody, answers.predict),
        "/v1/explain": post(ExplainBody, answers.explain),
    }
    if answers.recommends:
        posts["/v1/recommend"] = post(RecommendBody, answers.recommend)

    @cache
    def facts() -> Reply:
        return Reply(msgspec.json.encode(describe_model(model)))

    @cache
    def openapi() -> Reply:
        return Reply(msgspec.json.encode(openapi_document(model, answers, max_rows=max_rows)))

    gets = {
        "/v1/model": _get(facts),
        "/openapi.json": _get(openapi),
        "/metrics": _get(lambda: Reply(metrics.exposition(), METRICS_TYPE)),
        "/livez": _get(lambda: Reply(b"\n", TEXT_TYPE)),
        "/readyz": _get(lambda: Reply(b"\n", TEXT_TYPE)),
    }
    allowed = dict.fromkeys(posts, "POST") | dict.fromkeys(gets, "GET, HEAD")
    routes = [
        *(Route(at, Endpoint(at, reply, metrics), methods=["POST"]) for at, reply in posts.items()),
        *(Route(at, Endpoint(at, reply, metrics), methods=["GET"]) for at, reply in gets.items()),
        # Mounted in another application, ours answers for unknown paths only if it has a route
        # that matches them; so it must also tell a wrong method from an unknown path itself.
        Route("/{path:path}", Endpoint(_OTHER, _rest(allowed), metrics)),
    ]
    return Starlette(routes=routes)


def _envelope(model: RetentionModel) -> Callable[[Rows], bytes]:
    encode = msgspec.json.Encoder().encode
    by = msgspec.Raw(encode(served_by(model)))
    return lambda rows: encode({"predictions": rows, "model": by})


def _get(show: Callable[[], Reply]) -> AsyncReply:
    async def reply(_scope: Scope, _receive: Receive) -> Reply:
        return show()

    return reply


def _rest(allowed: Mapping[str, str]) -> AsyncReply:
    async def reply(scope: Scope, _receive: Receive) -> Reply:
        path = "/" + scope["path_params"]["path"]
        if path in allowed:
            methods = allowed[path]
            raise Problem(405, "method", f"ask with {methods}", headers={"allow": methods})
        if path == "/v1/recommend":
            detail = "this model was trained without actions: name some in the recipe, train again"
            raise Problem(404, "no-actions", detail)
        raise Problem(404, "path", "see /openapi.json for what there is")

    return reply
