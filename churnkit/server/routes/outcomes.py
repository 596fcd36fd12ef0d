"""``/v1/outcomes``: record the outcomes of decisions in the journal."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from churnkit.errors import JournalError
from churnkit.server.http.problem_details import Problem, shape_problem
from churnkit.server.http.request_body import JSON
from churnkit.server.http.route import Reply, Request

if TYPE_CHECKING:
    from churnkit.server.service_state import ServiceState

__all__ = ["OUTCOME_SCHEMA", "OutcomesBody", "OutcomesHandler"]

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class Outcome(Struct, forbid_unknown_fields=True):
    """An outcome as a client sends it."""

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


class OutcomesHandler:
    """``/v1/outcomes``: answered once the outcomes are in the journal."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._decoder = msgspec.json.Decoder(OutcomesBody)

    async def __call__(self, request: Request) -> Reply:
        """Answer a request."""
        recorder, settings = self._state.recorder, self._state.settings
        if recorder is None:
            detail = "the service has no journal: start it with CHURNKIT_JOURNAL"
            raise Problem(404, "no-journal", detail)
        request.media_type(JSON)
        body = Request.decode(self._decoder, await request.body(settings.max_body_bytes))
        recorded = await recorder.record_outcomes(_records(body.outcomes, settings.max_rows))
        counts = {"written": recorded.written, "duplicates": recorded.duplicates}
        return Reply(msgspec.json.encode(counts))


def _records(outcomes: list[Outcome], max_rows: int) -> list[Any]:
    from churnkit.journal import OutcomeRecord

    if not 0 < len(outcomes) <= max_rows:
        remedy = f"send 1 to {max_rows:,} outcomes per request"
        raise shape_problem("outcomes", "shape", remedy)
    records = []
    for row, outcome in enumerate(outcomes):
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
            raise shape_problem("outcomes", "shape", str(error), positions=[row]) from None
    return records
