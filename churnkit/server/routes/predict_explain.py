"""A question to the model as a route: let in, read, decode, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from secrets import token_hex
from typing import TYPE_CHECKING, Final, Generic

import msgspec

from churnkit.server.http.arrow_body import ARROW, answer_arrow
from churnkit.server.http.body_timeout import BodyTimeout
from churnkit.server.http.endpoint import Reply, Request
from churnkit.server.http.request_body import AnyBody, decode, read_body, refuse_media

if TYPE_CHECKING:
    from churnkit.server.auth.access_control import AccessControl
    from churnkit.server.loaded_model import Served
    from churnkit.server.reload.shadow_model import Shadow
    from churnkit.server.routes.prediction_service import Answer, Answers
    from churnkit.server.settings import Settings

__all__ = ["JSON", "Question"]

JSON: Final = b"application/json"
_ID_BYTES: Final = 12

Ask = Callable[["Answers", bytes, AnyBody, str], "Answer"]


class Question(Generic[AnyBody]):
    """One of the questions that are asked with customers in the body.

    Parameters
    ----------
    served
        Gives the model that answers now.
    gate
        Lets requests in.
    settings
        The limits of a body.
    shadow
        Scores in silence what is answered here.
    kind
        The body's shape.
    scope
        What a key must be allowed.
    ask
        From a decoded body to the answer.
    columnar
        Whether tables in Arrow's stream format are answered too.
    """

    def __init__(
        self,
        served: Callable[[], Served],
        gate: AccessControl,
        settings: Settings,
        shadow: Shadow | None = None,
        *,
        kind: type[AnyBody],
        scope: str,
        ask: Ask[AnyBody],
        columnar: bool = False,
    ) -> None:
        self._served = served
        self._gate = gate
        self._media = (JSON, ARROW) if columnar else (JSON,)
        self._one_table = asyncio.Lock()
        self._settings = settings
        self._max_rows = settings.max_rows
        self._max_bytes = settings.max_body_bytes
        self._patience = BodyTimeout(settings.body_seconds)
        self._decoder: msgspec.json.Decoder[AnyBody] = msgspec.json.Decoder(kind)
        self._scope = scope
        self._shadow = shadow
        self._ask: Ask[AnyBody] = ask

    async def __call__(self, request: Request) -> Reply | None:
        """Answer a request; None if the client went away."""
        self._gate.admit(request, self._scope)
        self._gate.enter()
        try:
            if refuse_media(request, *self._media) == ARROW:
                return await self._arrow(request)
            raw = await read_body(request, limit=self._max_bytes, patience=self._patience)
        finally:
            self._gate.leave()
        return None if raw is None else self._answer(raw)

    def _answer(self, raw: bytes) -> Reply:
        # Scored inline: a customer takes microseconds, a thread would cost more. The model is
        # looked up once: a swap falls between two requests, never into one.
        served = self._served()
        body = decode(self._decoder, raw, max_rows=self._max_rows)
        answer = self._ask(served.answers, raw, body, token_hex(_ID_BYTES))
        if self._shadow is not None:
            self._shadow.show(body.customers, answer)
        scored = len(answer.rows) - answer.refused
        return Reply(served.envelope(answer), rows=scored, refused=answer.refused)

    async def _arrow(self, request: Request) -> Reply | None:
        """Answer a table, in a thread: others are answered meanwhile."""
        settings = self._settings
        raw = await read_body(request, limit=settings.max_arrow_bytes, patience=self._patience)
        if raw is None:
            return None
        model = self._served().model
        async with self._one_table:
            told, rows = await asyncio.to_thread(
                answer_arrow, raw, model, max_rows=settings.max_arrow_rows
            )
        return Reply(told, ARROW.decode(), rows=rows)
