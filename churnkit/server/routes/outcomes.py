"""``/v1/outcomes``: what came of the decisions, written to the journal."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from churnkit.errors import JournalError
from churnkit.server.http.body_timeout import BodyTimeout
from churnkit.server.http.endpoint import Reply, Request
from churnkit.server.http.problem_details import Problem, shape_violation
from churnkit.server.http.request_body import read_body, read_json, refuse_media
from churnkit.server.routes.predict_explain import JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from churnkit.server.auth.access_control import AccessControl
    from churnkit.server.decision_log.recorder import Recorder
    from churnkit.server.settings import Settings

__all__ = ["OUTCOME_SCHEMA", "Outcomes", "OutcomesBody"]

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Outcome(Struct, forbid_unknown_fields=True):
    """One outcome as a client sends it."""

    id: Text
    kind: Text
    observed_at: Annotated[datetime, Meta(tz=True)]
    value: float = 1.0
    customer: Text | None = None
    prediction_id: Text | None = None


class OutcomesBody(Struct, forbid_unknown_fields=True):
    """The body of ``/v1/outcomes``."""

    outcomes: list[Outcome]


OUTCOME_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 200},
        "kind": {"type": "string", "minLength": 1, "maxLength": 200},
        "observed_at": {"type": "string", "format": "date-time"},
        "value": {"type": "number", "default": 1.0},
        "customer": {"type": ["string", "null"], "minLength": 1, "maxLength": 200},
        "prediction_id": {"type": ["string", "null"], "minLength": 1, "maxLength": 200},
    },
    "required": ["id", "kind", "observed_at"],
    "additionalProperties": False,
}


class Outcomes:
    """What happened, as a route.

    Parameters
    ----------
    recorder
        Gives what writes to the journal; None where there is none.
    gate
        Lets requests in.
    settings
        The limits of a body.
    """

    def __init__(
        self, recorder: Callable[[], Recorder | None], gate: AccessControl, settings: Settings
    ) -> None:
        self._recorder = recorder
        self._gate = gate
        self._settings = settings
        self._patience = BodyTimeout(settings.body_seconds)
        self._decoder = msgspec.json.Decoder(OutcomesBody)

    async def __call__(self, request: Request) -> Reply | None:
        """Write the outcomes of a request; answer when they stand in the journal."""
        self._gate.admit(request, "outcomes")
        recorder = self._recorder()
        if recorder is None:
            detail = "this service keeps no journal: start it with CHURNKIT_JOURNAL"
            raise Problem(404, "no-journal", detail)
        self._gate.enter()
        try:
            refuse_media(request, JSON)
            settings = self._settings
            raw = await read_body(request, limit=settings.max_body_bytes, patience=self._patience)
            if raw is None:
                return None
            written = await recorder.record_outcomes(self._records(raw))
        finally:
            self._gate.leave()
        told = {"written": written.written, "duplicates": written.duplicates}
        return Reply(msgspec.json.encode(told))

    def _records(self, raw: bytes) -> list[Any]:
        from churnkit.journal import OutcomeRecord

        found = read_json(self._decoder, raw).outcomes
        if not 0 < len(found) <= self._settings.max_rows:
            raise _refuse("outcomes", f"send 1 to {self._settings.max_rows:,} outcomes a request")
        records = []
        for place, outcome in enumerate(found):
            try:
                records.append(
                    OutcomeRecord(
                        outcome.id,
                        outcome.kind,
                        outcome.value,
                        outcome.observed_at,
                        outcome.customer,
                        outcome.prediction_id,
                    )
                )
            except JournalError as error:
                raise _refuse("outcomes", str(error), place) from None
        return records


def _refuse(column: str, remedy: str, place: int | None = None) -> Problem:
    positions = [] if place is None else [place]
    violation = shape_violation(column, "shape", remedy, positions=positions)
    return Problem(422, "shape", "the body has not the shape of this path", violations=[violation])
