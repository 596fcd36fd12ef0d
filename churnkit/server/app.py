"""The prediction endpoint as an ASGI application, for BentoML or any ASGI server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from churnkit.server.auth.access_control import AccessControl
from churnkit.server.decision_log.recorder import Recorder
from churnkit.server.decision_log.spool_folder import (
    default_spool,
    journal_identity,
    prepare_spool,
)
from churnkit.server.http.cross_origin import CrossOriginRoute
from churnkit.server.http.idempotency import IdempotentReplies
from churnkit.server.http.origins import parse_origins
from churnkit.server.http.problem_details import Problem
from churnkit.server.http.route import BodyTimeout, Handler, Reply, Request, Route, Router
from churnkit.server.loaded_model import LoadedModel
from churnkit.server.observability.clock_watch import watch_clock
from churnkit.server.observability.json_logs import configure_logging
from churnkit.server.observability.metrics import Metrics
from churnkit.server.reload.bandit_state import BanditReloader
from churnkit.server.reload.model_reloader import ModelReloader
from churnkit.server.reload.model_sources import model_source
from churnkit.server.reload.shadow_model import ShadowModel
from churnkit.server.reload.shadow_prices import PriceReloader
from churnkit.server.routes.customers import ExplainHandler, PredictHandler
from churnkit.server.routes.information import (
    index,
    metrics_handler,
    model_handler,
    openapi_handler,
    probe,
    readiness_handler,
    reference_handler,
)
from churnkit.server.routes.outcomes import OutcomesHandler
from churnkit.server.routes.recommend import RecommendHandler
from churnkit.server.service_state import ServiceState
from churnkit.server.settings import Settings, unknown_settings
from churnkit.server.supervisor import Supervisor

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.core.project import Project
    from churnkit.server.http.route import AsgiApp
    from churnkit.server.reload.model_sources import ModelSource

__all__ = ["App", "create_app"]

_LOG = logging.getLogger("churnkit.server")
# Requests to paths without a route are counted under this one.
_OTHER: Final = "other"
# A start waits for the journal so long, then serves without it.
_JOURNAL_SECONDS: Final = 5.0


def create_app(
    model: RetentionModel,
    *,
    settings: Settings | None = None,
    project: Project | None = None,
    **changes: Any,
) -> App:
    """Create the application of a model.

    Parameters
    ----------
    model
        Answers until a newer version is swapped in.
    settings
        Limits, keys and paths; the defaults if None.
    project
        Whose registry is polled for newer versions; found from the working folder if None.
    **changes
        Single settings by name, such as ``max_rows=50``.

    Returns
    -------
    App
        ``POST /v1/predict``, ``/v1/explain``, with a catalogue of actions ``/v1/recommend``, and
        with a journal ``/v1/outcomes``; ``GET /``, ``/v1/model``, ``/livez``, ``/readyz``, ``/metrics``
        and ``/openapi.json``. Every refusal is ``application/problem+json``.
    """
    return App(model, replace(settings or Settings(), **changes), project)


class App(Router):
    """The endpoint of a model, as an ASGI application.

    Parameters
    ----------
    model
        Answers until `ServiceState.swap` replaces it.
    settings
        Limits, keys and paths.
    project
        Whose registry is polled for newer versions.
    """

    def __init__(
        self, model: RetentionModel, settings: Settings, project: Project | None = None
    ) -> None:
        self.settings = settings
        metrics = Metrics()
        self.metrics: Metrics = metrics
        self.access: AccessControl = AccessControl(settings)
        self.supervisor: Supervisor = Supervisor(metrics)
        self.state: ServiceState = ServiceState(
            settings,
            metrics,
            LoadedModel(model, metrics),
            BanditReloader(settings.bandit, settings.poll_seconds),
            PriceReloader(settings.prices, settings.poll_seconds) if settings.prices else None,
            ShadowModel(metrics) if settings.shadow else None,
        )
        self.state.swap(self.state.loaded)
        self._project = project
        self._started = False
        timeout = BodyTimeout(settings.body_seconds)
        routes: dict[tuple[str, str], AsgiApp] = {**self._build_routes(timeout)}
        metrics.start({path for _, path in routes})
        fallback = Route(_OTHER, self._refuse, metrics, timeout)
        super().__init__(_allow_origins(routes, fallback, settings.cors), fallback)

    def _build_routes(self, timeout: BodyTimeout) -> dict[tuple[str, str], Route]:
        state, access = self.state, self.access
        posts: dict[str, tuple[Handler, str]] = {
            "/v1/predict": (PredictHandler(state), "predict"),
            "/v1/explain": (ExplainHandler(state), "predict"),
            "/v1/recommend": (RecommendHandler(state), "recommend"),
            "/v1/outcomes": (OutcomesHandler(state), "outcomes"),
        }
        gets: dict[str, tuple[Handler, AccessControl | None, str | None]] = {
            "/": (index, None, None),
            "/v1/model": (model_handler(state), access, None),
            "/openapi.json": (openapi_handler(state), access, None),
            "/docs": (reference_handler(state), access, None),
            "/metrics": (metrics_handler(state), access, "admin"),
            "/livez": (probe, None, None),
            "/readyz": (readiness_handler(self.supervisor), None, None),
        }
        routes = {}
        if self.settings.hooks:
            from churnkit.server.routes.hooks import hook_handlers

            for path, hook in hook_handlers(state).items():
                # Without a key: the signature of a webhook admits it.
                routes["POST", path] = Route(path, hook, self.metrics, timeout)
        for path, (handler, needed) in posts.items():
            routes["POST", path] = Route(
                path, handler, self.metrics, timeout, access=access, scope=needed, limited=True
            )
        for path, (handler, control, scope) in gets.items():
            route = Route(path, handler, self.metrics, timeout, access=control, scope=scope)
            routes["GET", path] = routes["HEAD", path] = route
        return routes

    async def startup(self) -> None:
        """Start background work; call it once the event loop runs.

        Raises
        ------
        ChurnkitError
            If a setting does not allow it, such as a spool that other users may read.
        """
        if self._started:
            return
        self._started = True
        try:
            await self._start()
        except BaseException:
            # Not started: the next call tries again, and no request is answered as if it were.
            self._started = False
            await self.shutdown()
            raise

    async def _start(self) -> None:
        settings, state = self.settings, self.state
        configure_logging(settings.log)
        for name, similar in unknown_settings().items():
            _LOG.warning("%s is no setting%s", name, f": use {similar}" if similar else "")
        # A full garbage collection walks over everything that was imported, for a tenth of a
        # second. What exists now stays, so that collections need not visit it again.
        gc.collect()
        gc.freeze()
        self.metrics.count("churnkit_worker_starts")
        if settings.journal:
            await self._start_recorder(settings.journal)
        elif self.metrics.shared_folder is not None:
            state.replies = IdempotentReplies(self.metrics.shared_folder)
        if settings.follow and settings.poll_seconds:
            source = self._source(settings.follow)
            if source is not None:
                self.supervisor.start("reload", ModelReloader(state, source).run)
        if settings.shadow and state.shadow is not None:
            challenger = self._source(settings.shadow)
            if challenger is not None:
                shadow, seconds = state.shadow, settings.poll_seconds
                self.supervisor.start("shadow-reload", lambda: shadow.follow(challenger, seconds))
                self.supervisor.start("shadow", shadow.run)

    async def _start_recorder(self, url: str) -> None:
        settings, state = self.settings, self.state
        identity = journal_identity(url)
        folder = prepare_spool(
            Path(settings.spool)
            if settings.spool
            else default_spool(state.loaded.model.name, identity),
            identity,
        )
        recorder = Recorder(url, folder, self.metrics, sync_always=settings.spool_sync == "always")
        state.recorder = recorder
        state.replies = IdempotentReplies(folder)
        # A journal that is away does not keep the service from predicting, nor its start.
        with contextlib.suppress(Problem, TimeoutError):
            await asyncio.wait_for(recorder.open(), _JOURNAL_SECONDS)
        self.supervisor.start("journal", recorder.run)
        self.supervisor.start("clock", lambda: watch_clock(self.metrics))
        if settings.spool_sync == "second":
            self.supervisor.start("spool-sync", recorder.sync)

    async def shutdown(self) -> None:
        """Stop what `startup` started."""
        await self.supervisor.stop()
        if self.state.recorder is not None:
            await self.state.recorder.close()
            self.state.recorder = None
        self.state.replies.close()
        self.metrics.close()

    def _source(self, name: str) -> ModelSource | None:
        return model_source(name, project=self._project, signer=self.settings.signer)

    async def _refuse(self, request: Request) -> Reply:
        methods = ", ".join(method for method, path in self._routes if path == request.path)
        if methods:
            raise Problem(405, "method", f"use {methods}", headers={"allow": methods})
        raise Problem(404, "path", "see /openapi.json for the paths of this service")


def _allow_origins(
    routes: dict[tuple[str, str], AsgiApp], fallback: Route, setting: str | None
) -> dict[tuple[str, str], AsgiApp]:
    """Let pages of some other origins call the routes; without any, return them unchanged."""
    origins = parse_origins(setting)
    if not origins:
        return routes
    allowed: dict[tuple[str, str], AsgiApp] = {}
    for (method, path), route in routes.items():
        method_allowed = "GET" if method == "HEAD" else method
        for key, answer in (((method, path), route), (("OPTIONS", path), None)):
            allowed[key] = CrossOriginRoute(answer, origins, refuse=fallback, method=method_allowed)
    return allowed
