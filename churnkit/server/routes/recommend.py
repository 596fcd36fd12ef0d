"""``/v1/recommend``: decide for each customer, once per idempotency key, and log the decisions."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from churnkit.bundle.decision_records import place_key
from churnkit.decisions import DecisionContext, History, RankingDecision
from churnkit.server.decision_log.recorder import unreachable_journal
from churnkit.server.http.idempotency import idempotent_request
from churnkit.server.http.problem_details import Problem, shape_problem
from churnkit.server.http.request_body import JSON
from churnkit.server.http.route import Reply, Request
from churnkit.server.routes.customers import (
    Answer,
    CustomerHandler,
    PredictBody,
    answer_row,
    answer_table,
    is_loggable,
    request_id,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from churnkit.decisions import ShadowPrices
    from churnkit.journal import DecisionRecord
    from churnkit.models.bandit.linear import LinearBandit
    from churnkit.server.decision_log.recorder import Recorder
    from churnkit.server.loaded_model import LoadedModel
    from churnkit.server.service_state import ServiceState

__all__ = ["RecommendBody", "RecommendHandler", "rank_options", "recommend_rows"]

_CAPPED: Final = "a contact limit was reached meanwhile"
# Customers times options of one step: some hundredths of a second.
_RANKED_VALUES: Final = 16_000
_MONEY: Final = ("expected_gain", "gain_low", "gain_high", "cost")


class RecommendBody(PredictBody):
    """The body of ``/v1/recommend``."""

    budget: Annotated[float, Meta(ge=0)] | UnsetType | None = UNSET


class RecommendHandler(CustomerHandler[RecommendBody]):
    """``/v1/recommend``: churn probabilities with the action that pays most, or ranked options."""

    def __init__(self, state: ServiceState) -> None:
        super().__init__(state, RecommendBody)

    async def __call__(self, request: Request) -> Reply:
        """Answer a request."""
        request.media_type(JSON)
        raw = await request.body(self.state.settings.max_body_bytes)
        if b"idempotency-key" not in request.headers:
            return await self._answer(raw, request_id())
        repeatable = idempotent_request(request.headers, request.client_key, raw)
        replies = self.state.replies
        known = replies.begin(repeatable)
        if known is not None:
            return Reply(known, headers={"idempotent-replayed": "true"})
        reply = None
        try:
            reply = await self._answer(raw, repeatable.ids)
        finally:
            # A refusal is not stored: corrected, the request may come again under its key.
            replies.end(repeatable, reply)
        return reply

    async def _answer(self, raw: bytes, ids: str) -> Reply:
        loaded, recorder = self.state.loaded, self.state.recorder
        if not loaded.recommends:
            detail = "the model was trained without actions: add some to the recipe and retrain"
            raise Problem(404, "no-actions", detail)
        if recorder is None and self.state.settings.journal:
            # The service is being started or stopped.
            raise unreachable_journal()
        body = self.decode(raw)
        moment = datetime.now(UTC)
        context = None
        if loaded.needs_context:
            context = await self._context(loaded, body, moment)
        headers = {}
        if loaded.ranks:
            bandit = self.state.bandit.current(loaded.model)
            answer = await _run_steps(
                _rank_steps(loaded, body, ids, bandit=bandit, context=context)
            )
            headers["churnkit-bandit"] = str(bandit.version)
        else:
            prices = None
            # Customers who share a budget of their own request do not share the plan's.
            if self.state.prices is not None and body.budget is UNSET:
                prices, digest = self.state.prices.current(loaded.model.catalogue)
                if prices is not None:
                    headers["churnkit-prices"] = digest
            answer = recommend_rows(loaded, body, ids, prices=prices, context=context)
        if recorder is not None:
            await _log_decisions(recorder, loaded, answer, body, moment)
        return self.reply(loaded, body, answer, headers)

    async def _context(
        self, loaded: LoadedModel, body: RecommendBody, now: datetime
    ) -> DecisionContext:
        """Return the customers and the day, with past contacts where contact rules need them."""
        customers = [str(customer.get(loaded.entity)) for customer in body.customers]
        history = History()
        if loaded.contact_days:
            recorder = self.state.recorder
            if recorder is None:
                raise Problem(
                    503,
                    "no-journal",
                    "the catalogue has contact rules, which count past contacts: start the "
                    "service with CHURNKIT_JOURNAL",
                    headers={"retry-after": "60"},
                )
            await recorder.flush()
            history = await recorder.history(customers, now - timedelta(days=loaded.contact_days))
        return DecisionContext(customers, now.date(), history, now)


def recommend_rows(
    loaded: LoadedModel,
    body: RecommendBody,
    ids: str,
    *,
    prices: ShadowPrices | None = None,
    context: DecisionContext | None = None,
) -> Answer:
    """Return each customer's churn probability with the action that pays most, or none.

    Parameters
    ----------
    loaded, body, ids
        As in `churnkit.server.routes.customers.predict_rows`.
    prices
        Shadow prices of a plan, at which customers do not compete; without them the customers of
        the request share its budget and the capacities.
    context
        The customers and the day, where the catalogue needs them.
    """
    model = loaded.model
    budget = None if body.budget is UNSET else body.budget
    if len(body.customers) == 1 and is_loggable(body.customers[0].get(loaded.entity)):
        row = model.score_row(body.customers[0], "recommend", closed=True)
        if row is not None:
            decision = model.decide_row(
                row.probability, row.values, budget=budget, prices=prices, context=context
            )
            answer = answer_row(loaded, body.customers[0], row, ids)
            answer.rows[0].update(decision.to_dict())
            return Answer(answer.rows, answer.warnings, 0, [decision])
    answer, (encoded, probabilities) = answer_table(loaded, body, ids, "recommend")
    if prices is not None:
        decisions = model.decide_rows(probabilities, encoded.matrix, prices=prices, context=context)
    else:
        decisions = model.decide_table(
            probabilities, encoded.matrix, budget=budget, context=context
        ).to_rows()
    decided = [
        None if "problem" in record else chosen
        for record, chosen in zip(answer.rows, decisions, strict=True)
    ]
    for record, chosen in zip(answer.rows, decided, strict=True):
        record.update({} if chosen is None else chosen.to_dict())
    return msgspec.structs.replace(answer, decisions=decided)


def rank_options(
    loaded: LoadedModel,
    body: RecommendBody,
    ids: str,
    *,
    bandit: LinearBandit,
    context: DecisionContext | None = None,
) -> Answer:
    """Return each customer's churn probability with the options to show, best first.

    Parameters
    ----------
    loaded, body, ids
        As in `churnkit.server.routes.customers.predict_rows`; a prediction's id is the key of
        its random draws.
    bandit
        The state to rank by.
    context
        The customers and the day, where the ranking needs them.

    Raises
    ------
    Problem
        422 if the body has a budget.
    """
    steps = _rank_steps(loaded, body, ids, bandit=bandit, context=context)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


async def _run_steps(steps: Generator[None, None, Answer]) -> Answer:
    """Run a computation in steps, so that other requests are answered in between."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        await asyncio.sleep(0)


def _rank_steps(
    loaded: LoadedModel,
    body: RecommendBody,
    ids: str,
    *,
    bandit: LinearBandit,
    context: DecisionContext | None = None,
) -> Generator[None, None, Answer]:
    """Rank as `rank_options`, a few customers per step."""
    if body.budget is not UNSET:
        remedy = "leave it out: this model ranks options and weighs no costs"
        raise shape_problem("budget", "unknown_field", remedy)
    answer, (encoded, _) = answer_table(loaded, body, ids, "recommend")
    rows = [row for row, record in enumerate(answer.rows) if "problem" not in record]
    ranked: list[RankingDecision | None] = [None] * len(answer.rows)
    size = max(1, _RANKED_VALUES // len(loaded.model.contents.actions))
    for start in range(0, len(rows), size):
        if start:
            yield
        part = rows[start : start + size]
        slates = loaded.model.rank_table(
            encoded.matrix[part],
            keys=[answer.rows[row]["prediction_id"] for row in part],
            bandit=bandit,
            context=None
            if context is None
            else replace(context, customers=[context.customers[row] for row in part]),
        )
        for row, slate in zip(part, slates, strict=True):
            ranked[row] = slate
            answer.rows[row].update(_ranked_fields(answer.rows[row]["prediction_id"], slate))
    return msgspec.structs.replace(answer, decisions=ranked, state=bandit.version)


def _ranked_fields(name: str, ranked: RankingDecision) -> dict[str, Any]:
    """Return the fields of a slate; each place has an id, for its outcome."""
    slate = ranked.slate
    places = (
        () if slate is None else zip(slate.options, slate.propensities, slate.values, strict=False)
    )
    options = [
        {
            "action": action,
            "prediction_id": place_key(name, place),
            "propensity": propensity,
            "value": value,
        }
        for place, (action, propensity, value) in enumerate(places, start=1)
    ]
    return {"action": ranked.action, "reason": ranked.reason, "options": options}


async def _log_decisions(
    recorder: Recorder, loaded: LoadedModel, answer: Answer, body: RecommendBody, moment: datetime
) -> None:
    """Log an answer's decisions: before the reply under contact limits, else behind it."""
    records = _records(loaded, answer, body, moment)
    if not loaded.contact_limits:
        await recorder.add(records)
        return
    capped = set(await recorder.record_now(records, loaded.contact_limits))
    for row in answer.rows:
        if "options" in row:
            _remove_options(row, capped)
        elif row["prediction_id"] in capped:
            row.update({"action": None, "reason": _CAPPED, **dict.fromkeys(_MONEY, 0.0)})


def _remove_options(row: dict[str, Any], capped: set[str]) -> None:
    """Remove the options that a contact limit excluded while they were logged."""
    options = [option for option in row["options"] if option["prediction_id"] not in capped]
    if len(options) < len(row["options"]):
        row["options"] = options
        row["action"] = options[0]["action"] if options else None
        if not options:
            row["reason"] = _CAPPED


def _records(
    loaded: LoadedModel, answer: Answer, body: RecommendBody, moment: datetime
) -> list[DecisionRecord]:
    """Return a record for each decision, or for each place of a slate."""
    records: list[DecisionRecord] = []
    for row, decision, customer in zip(answer.rows, answer.decisions, body.customers, strict=True):
        if decision is not None:
            records += loaded.record_builder.records(
                decision,
                str(row[loaded.entity]),
                key=row["prediction_id"],
                as_of=moment.date(),
                decided_at=moment,
                row=customer,
                state=answer.state,
            )
    return records
