"""Routes that score customers: ``/v1/predict``, ``/v1/explain``, and the base of the others.

A request is answered whole or refused whole, unless it asks for ``partial`` answers.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType

from churnkit.bundle.entity_ids import repeated_rows
from churnkit.contracts.validation.violations import Finding
from churnkit.journal.records import MAX_CHARACTERS
from churnkit.server.http.arrow_body import ARROW, predict_arrow
from churnkit.server.http.problem_details import Problem, shape_problem
from churnkit.server.http.request_body import JSON, refuse_repeated_keys
from churnkit.server.http.route import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.bundle.scoring import ScoredRow, ScoredTable
    from churnkit.contracts.contract import Purpose
    from churnkit.contracts.validation.violations import Violation
    from churnkit.decisions import Decision, RankingDecision
    from churnkit.server.loaded_model import LoadedModel
    from churnkit.server.service_state import ServiceState

__all__ = [
    "DEFAULT_REASONS",
    "MAX_REASONS",
    "Answer",
    "CustomerHandler",
    "ExplainBody",
    "ExplainHandler",
    "PredictBody",
    "PredictHandler",
    "ScoreBody",
    "answer_row",
    "answer_table",
    "explain_rows",
    "is_loggable",
    "predict_rows",
    "request_id",
]

DEFAULT_REASONS: Final = 3
MAX_REASONS: Final = 20
_LOGGABLE: Final = f"max_length({MAX_CHARACTERS})"
_ENCODE = msgspec.json.Encoder().encode

Rows = list[dict[str, Any]]


class PredictBody(Struct, forbid_unknown_fields=True):
    """The fields that all bodies with customers share."""

    customers: list[dict[str, Any]]
    partial: bool | UnsetType = UNSET


class ScoreBody(PredictBody):
    """The body of ``/v1/predict``."""

    interval: bool | UnsetType = UNSET


class ExplainBody(PredictBody):
    """The body of ``/v1/explain``."""

    # JSON has no whole numbers: 3.0 is 3, as in the published schema.
    top: Annotated[float, Meta(ge=1, le=MAX_REASONS, multiple_of=1)] | UnsetType = UNSET


Body = TypeVar("Body", bound=PredictBody)


class Answer(Struct, frozen=True):
    """The answer to one request.

    Parameters
    ----------
    rows
        One record per customer, in order.
    warnings
        Unusual values of customers that were scored.
    refused
        Number of customers reported in place instead of scored.
    decisions
        For recommendations, one per row; None for rows that were refused.
    state
        For ranked options, the version of the bandit.
    """

    rows: Rows
    warnings: list[dict[str, Any]]
    refused: int = 0
    decisions: Sequence[Decision | RankingDecision | None] = ()
    state: int = 0


class CustomerHandler(Generic[Body]):
    """Base of the handlers that read customers."""

    def __init__(self, state: ServiceState, body_type: type[Body]) -> None:
        self.state = state
        self._decoder: msgspec.json.Decoder[Body] = msgspec.json.Decoder(body_type)

    def decode(self, raw: bytes) -> Body:
        """Decode a body and check its outline.

        Raises
        ------
        Problem
            400 if it is not JSON; 422 if it has another shape, no customers or too many, or
            names a key twice.
        """
        body = Request.decode(self._decoder, raw)
        customers = body.customers
        max_rows = self.state.settings.max_rows
        if not customers:
            raise shape_problem("customers", "empty", "send at least one customer")
        if len(customers) > max_rows:
            remedy = f"send at most {max_rows:,} customers per request"
            raise shape_problem("customers", f"max_rows({max_rows})", remedy, count=len(customers))
        fields = msgspec.structs.astuple(body)
        keys = len(fields) - fields.count(UNSET) + sum(map(len, customers))
        if raw.count(b":") > keys:
            refuse_repeated_keys(raw, customers, keys)
        return body

    def reply(
        self,
        loaded: LoadedModel,
        body: Body,
        answer: Answer,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Encode an answer; the challenger, if any, scores the customers later."""
        if self.state.shadow is not None:
            self.state.shadow.enqueue(body.customers, answer.rows)
        content = {
            "predictions": answer.rows,
            "model": loaded.identity_json,
            "warnings": answer.warnings,
        }
        scored = len(answer.rows) - answer.refused
        headers = {**loaded.headers, **headers} if headers else loaded.headers
        return Reply(_ENCODE(content), headers=headers, rows=scored, refused=answer.refused)


class PredictHandler(CustomerHandler[ScoreBody]):
    """``/v1/predict``: churn probabilities, from JSON or Arrow."""

    def __init__(self, state: ServiceState) -> None:
        super().__init__(state, ScoreBody)
        self._arrow_lock = asyncio.Lock()

    async def __call__(self, request: Request) -> Reply:
        """Answer a request."""
        if request.media_type(JSON, ARROW) == ARROW:
            return await self._arrow(request)
        raw = await request.body(self.state.settings.max_body_bytes)
        body = self.decode(raw)
        # Read once: a model is swapped between two requests, never within one.
        loaded = self.state.loaded
        # Scored inline: a customer takes microseconds, and a thread would cost more.
        return self.reply(loaded, body, predict_rows(loaded, body, request_id()))

    async def _arrow(self, request: Request) -> Reply:
        """Answer a table in a thread, without blocking other requests; one table runs at once."""
        settings = self.state.settings
        raw = await request.body(settings.max_arrow_bytes)
        loaded = self.state.loaded
        async with self._arrow_lock:
            content, rows = await asyncio.to_thread(
                predict_arrow,
                raw,
                loaded.model,
                max_rows=settings.max_arrow_rows,
                max_bytes=settings.max_arrow_bytes,
            )
        return Reply(content, ARROW.decode(), headers=loaded.headers, rows=rows)


class ExplainHandler(CustomerHandler[ExplainBody]):
    """``/v1/explain``: churn probabilities with reasons."""

    def __init__(self, state: ServiceState) -> None:
        super().__init__(state, ExplainBody)

    async def __call__(self, request: Request) -> Reply:
        """Answer a request."""
        request.media_type(JSON)
        body = self.decode(await request.body(self.state.settings.max_body_bytes))
        loaded = self.state.loaded
        return self.reply(loaded, body, explain_rows(loaded, body, request_id()))


def is_loggable(entity: Any) -> bool:
    """Return whether the journal can hold an id: at most 200 characters, no zero byte.

    Examples
    --------
    >>> is_loggable("c1"), is_loggable("c" * 201)
    (True, False)
    """
    text = str(entity)
    return len(text) <= MAX_CHARACTERS and "\0" not in text


def request_id() -> str:
    """Return a random id for a request: 24 hexadecimal digits."""
    return token_hex(12)


def predict_rows(loaded: LoadedModel, body: ScoreBody, ids: str) -> Answer:
    """Return each customer's churn probability.

    Parameters
    ----------
    loaded
        The model.
    body
        The decoded body.
    ids
        The request's id; a prediction's id is this, a dash, and the row.

    Raises
    ------
    Problem
        422 if a row breaks a rule, or the model has no intervals that the body asks for.
    """
    interval = body.interval is True
    if interval and loaded.model.contents.intervals is None:
        remedy = "leave it out: the model was trained without intervals"
        raise shape_problem("interval", "unsupported", remedy)
    if len(body.customers) == 1:
        row = loaded.model.score_row(body.customers[0], closed=True, interval=interval)
        if row is not None:
            return answer_row(loaded, body.customers[0], row, ids)
    answer, scored = answer_table(loaded, body, ids, "predict")
    if interval:
        low, high = loaded.model.intervals.interval(scored.probabilities)
        for record, ends in zip(
            answer.rows, zip(low.tolist(), high.tolist(), strict=True), strict=True
        ):
            if "problem" not in record:
                record["probability_low"], record["probability_high"] = ends
    return answer


def explain_rows(loaded: LoadedModel, body: ExplainBody, ids: str) -> Answer:
    """Return each customer's churn probability with its reasons; parameters as `predict_rows`."""
    answer, scored = answer_table(loaded, body, ids, "predict")
    top = DEFAULT_REASONS if body.top is UNSET else int(body.top)
    for row, reasons in zip(
        answer.rows, loaded.model.reasons(scored.encoded, top=top), strict=True
    ):
        if "problem" not in row:
            row["reasons"] = [reason.to_dict() for reason in reasons]
    return answer


def answer_row(loaded: LoadedModel, customer: dict[str, Any], row: ScoredRow, ids: str) -> Answer:
    """Return the answer for one customer that breaks no rule, and count it."""
    loaded.metrics.scored(row.probability)
    unusual = loaded.model.unusual_features(row.values)
    warnings = loaded.monitor.observe_row(row.values, unusual) if unusual else []
    record = _record(loaded, customer, f"{ids}-0", row.probability)
    if row.interval is not None:
        record["probability_low"], record["probability_high"] = row.interval
    return Answer([record], warnings)


def answer_table(
    loaded: LoadedModel, body: PredictBody, ids: str, purpose: Purpose
) -> tuple[Answer, ScoredTable]:
    """Score a body's customers, report broken rows in place, and count all.

    Raises
    ------
    Problem
        422 if a row breaks a rule and the body does not ask for partial answers.
    """
    scored = loaded.model.score_table(body.customers, purpose, closed=True)
    encoded = scored.encoded
    partial = body.partial is True
    if purpose == "recommend" and (partial or not encoded.findings):
        rows = repeated_rows(encoded.entity)
        if rows:
            finding = Finding(loaded.entity, "unique", np.array(rows))
            encoded = replace(encoded, findings=(*encoded.findings, finding))
        # As sent, not as parsed: this is what the journal would hold.
        ids_sent = [customer.get(loaded.entity) for customer in body.customers]
        unloggable = [row for row, id_ in enumerate(ids_sent) if not is_loggable(id_)]
        if unloggable:
            finding = Finding(loaded.entity, _LOGGABLE, np.array(unloggable))
            encoded = replace(encoded, findings=(*encoded.findings, finding))
    if encoded.findings and not partial:
        raise _contract_problem(encoded.violations)
    broken = _violations_by_row(encoded.findings)
    probabilities = scored.probabilities.tolist()
    records = [
        _broken_record(loaded, customer, f"{ids}-{row}", broken[row])
        if row in broken
        else _record(loaded, customer, f"{ids}-{row}", probability)
        for row, (customer, probability) in enumerate(
            zip(body.customers, probabilities, strict=True)
        )
    ]
    warnings = loaded.monitor.observe_table(encoded, probabilities)
    return Answer(records, warnings, len(broken)), scored._replace(encoded=encoded)


def _record(
    loaded: LoadedModel, customer: dict[str, Any], name: str, probability: float
) -> dict[str, Any]:
    entity = loaded.entity
    return {entity: customer[entity], "prediction_id": name, "churn_probability": probability}


def _broken_record(
    loaded: LoadedModel, customer: dict[str, Any], name: str, violations: Sequence[Violation]
) -> dict[str, Any]:
    """Return the record of a row that breaks rules; with its id only if the id is valid."""
    entity = loaded.entity
    valid_id = all(v.column != entity or v.rule == "unique" for v in violations)
    return {
        entity: customer.get(entity) if valid_id else None,
        "prediction_id": name,
        "churn_probability": None,
        "problem": [{"column": v.column, "rule": v.rule, "remedy": v.remedy} for v in violations],
    }


def _violations_by_row(findings: Sequence[Finding]) -> dict[int, list[Violation]]:
    by_row: defaultdict[int, list[Violation]] = defaultdict(list)
    for finding in findings:
        violation = finding.to_violation()
        for row in finding.positions.tolist():
            by_row[row].append(violation)
    return by_row


def _contract_problem(violations: Sequence[Violation]) -> Problem:
    return Problem(
        422,
        "contract",
        "no customer was scored: correct what the violations name, leave those rows out, or ask "
        "for the others with partial (rows count from 0)",
        violations=[violation.to_dict() for violation in violations],
    )
