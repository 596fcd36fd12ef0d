"""The prediction endpoint as one ASGI application, for BentoML or any ASGI server."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from churnkit.server.auth.access_control import AccessControl
from churnkit.server.decision_log.recorder import Recorder, spool_folder
from churnkit.server.http.endpoint import TEXT_TYPE, Endpoint, Receive, Reply, Request, Scope, Send
from churnkit.server.http.problem_details import Problem
from churnkit.server.http.request_body import ExplainBody, PredictBody
from churnkit.server.loaded_model import Served
from churnkit.server.observability.json_logs import log_as
from churnkit.server.observability.metrics import METRICS_TYPE, Metrics
from churnkit.server.reload.bandit_state import Learned
from churnkit.server.reload.model_reloader import ModelReloader
from churnkit.server.reload.model_sources import source_of
from churnkit.server.reload.shadow_model import Shadow
from churnkit.server.reload.shadow_prices import Pricing
from churnkit.server.routes.outcomes import Outcomes
from churnkit.server.routes.predict_explain import Question
from churnkit.server.routes.recommend import Recommending
from churnkit.server.settings import Settings

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.core.project import Project

__all__ = ["App", "create_app"]

_LOG = logging.getLogger("churnkit.server")
_OTHER: Final = "other"

AsyncReply = Callable[[Request], Awaitable[Reply | None]]


def create_app(
    model: RetentionModel,
    *,
    settings: Settings | None = None,
    project: Project | None = None,
    **changes: Any,
) -> App:
    """Make the application that answers for a model.

    Parameters
    ----------
    model
        It answers until a newer version is swapped in.
    settings
        Limits, keys and places; the defaults if None.
    project
        Whose registry is asked for newer versions; found from the working folder if None.
    changes
        Single settings by name, such as ``max_rows=50``.

    Returns
    -------
    The application: ``POST /v1/predict``, ``/v1/explain``, if the model has a catalogue of
    actions ``/v1/recommend``, and with a journal ``/v1/outcomes``; ``GET /v1/model``, ``/livez``, ``/readyz``, ``/metrics`` and
    ``/openapi.json``. Every refusal is ``application/problem+json``.
    """
    return App(model, replace(settings or Settings(), **changes), project)


class App:
    """The endpoint of a model, as an ASGI application.

    Parameters
    ----------
    model
        It answers until `swap` puts another in its place.
    settings
        Limits, keys and places.
    project
        Whose registry is asked for newer versions.
    """

    def __init__(
        self, model: RetentionModel, settings: Settings, project: Project | None = None
    ) -> None:
        self.settings = settings
        self._project = project
        self.metrics = Metrics()
        self.gate = AccessControl(settings)
        self.served = Served(model, settings, self.metrics)
        self._started = False
        self._tasks: list[asyncio.Task[None]] = []
        self.recorder: Recorder | None = None
        self.shadow = Shadow(self.metrics) if settings.shadow else None
        self._pricing = Pricing(settings.prices, settings.poll_seconds) if settings.prices else None
        self._learned = Learned(settings.bandit, settings.poll_seconds)
        self._routes: dict[tuple[str, str], Endpoint] = {}
        for path, question in self._questions().items():
            self._routes["POST", path] = Endpoint(path, question, self.metrics)
        for path, look in self._looks().items():
            endpoint = Endpoint(path, look, self.metrics)
            self._routes["GET", path] = self._routes["HEAD", path] = endpoint
        self._rest = Endpoint(_OTHER, self._refuse, self.metrics)
        self._tell()

    def _questions(self) -> dict[str, AsyncReply]:
        def serving() -> Served:
            return self.served

        def recording() -> Recorder | None:
            return self.recorder

        given = (serving, self.gate, self.settings, self.shadow)
        return {
            "/v1/predict": Question(
                *given,
                kind=PredictBody,
                scope="predict",
                ask=lambda answers, raw, body, ids: answers.predict(raw, body, ids=ids),
                columnar=True,
            ),
            "/v1/explain": Question(
                *given,
                kind=ExplainBody,
                scope="predict",
                ask=lambda answers, raw, body, ids: answers.explain(raw, body, ids=ids),
            ),
            "/v1/recommend": Recommending(
                serving,
                recording,
                self.gate,
                self.settings,
                shadow=self.shadow,
                pricing=self._pricing,
                learned=self._learned,
            ),
            "/v1/outcomes": Outcomes(recording, self.gate, self.settings),
        }

    def _looks(self) -> dict[str, AsyncReply]:
        def look(show: Callable[[], Reply], scope: str | None = None) -> AsyncReply:
            async def reply(request: Request) -> Reply:
                self.gate.admit(request, scope)
                return show()

            return reply

        return {
            "/v1/model": look(lambda: Reply(self.served.facts)),
            "/openapi.json": look(lambda: Reply(self.served.openapi)),
            "/metrics": look(lambda: Reply(self.metrics.exposition(), METRICS_TYPE), "admin"),
            "/livez": _probe,
            "/readyz": _probe,
        }

    @property
    def paths(self) -> frozenset[str]:
        """The paths that are answered with more than a refusal."""
        return frozenset(path for _, path in self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life of the server."""
        if scope["type"] == "http":
            endpoint = self._routes.get((scope["method"], scope["path"]))
            if endpoint is None:
                endpoint = self._route_below(scope)
            await endpoint(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _route_below(self, scope: Scope) -> Endpoint:
        """Find the route where the application is mounted below a path of another one."""
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return self._routes.get((scope["method"], path), self._rest)

    def swap(self, served: Served) -> None:
        """Let another model answer from the next request on."""
        self.served = served
        self._tell()

    async def startup(self) -> None:
        """Begin what goes on beside the requests; call it once the event loop runs."""
        if self._started:
            return
        self._started = True
        log_as(self.settings.log)
        # Python's full collections walk over everything that was imported, a tenth of a second
        # long. What is there now stays there, so they need not look at it again.
        gc.collect()
        gc.freeze()
        settings = self.settings
        if settings.journal:
            folder = spool_folder(settings.spool)
            self.recorder = await asyncio.to_thread(
                Recorder, settings.journal, folder, self.metrics
            )
            self._begin(self.recorder.run())
        if settings.follow and settings.poll_seconds:
            source = source_of(settings.follow, project=self._project, signer=settings.signer)
            if source is not None:
                self._begin(ModelReloader(self, source).run())
        if settings.shadow and self.shadow is not None:
            challenger = source_of(settings.shadow, project=self._project, signer=settings.signer)
            if challenger is not None:
                self._begin(self.shadow.follow(challenger, settings.poll_seconds))
                self._begin(self.shadow.run())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def shutdown(self) -> None:
        """End what `startup` began."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self.recorder is not None:
            await self.recorder.close()
            self.recorder = None
        self.metrics.close()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.startup()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _tell(self) -> None:
        self.metrics.forget("churnkit_model")
        self.metrics.show("churnkit_model", self.served.model.name, self.served.version, value=1.0)

    async def _refuse(self, request: Request) -> Reply:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        methods = ", ".join(method for method, at in self._routes if at == path)
        if methods:
            raise Problem(405, "method", f"ask with {methods}", headers={"allow": methods})
        raise Problem(404, "path", "see /openapi.json for what there is")


async def _probe(_request: Request) -> Reply:
    return Reply(b"\n", TEXT_TYPE)
