"""``/v1/recommend``: decided once for each key, and written down."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import UNSET

from churnkit.bundle.slate_records import shown_lines
from churnkit.decisions import RankingDecision
from churnkit.server.http.body_timeout import BodyTimeout
from churnkit.server.http.endpoint import Reply, Request
from churnkit.server.http.idempotency import Repeats, repeat_of
from churnkit.server.http.problem_details import Problem
from churnkit.server.http.request_body import RecommendBody, decode, read_body, refuse_media
from churnkit.server.reload.bandit_state import Learned
from churnkit.server.routes.predict_explain import JSON
from churnkit.server.routes.prediction_service import refuse_no_actions
from churnkit.server.routes.ranked_response import refuse_budget, without

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from churnkit.decisions import Action, Decision, DecisionContext
    from churnkit.server.auth.access_control import AccessControl
    from churnkit.server.decision_log.recorder import Recorder
    from churnkit.server.loaded_model import Served
    from churnkit.server.reload.shadow_model import Shadow
    from churnkit.server.reload.shadow_prices import Pricing
    from churnkit.server.routes.prediction_service import Answer
    from churnkit.server.settings import Settings

__all__ = ["Recommending"]

_ID_BYTES: Final = 12
_CAPPED: Final = "a contact limit was reached meanwhile"


class Recommending:
    """The question what to do, as a route.

    Parameters
    ----------
    served
        Gives the model that answers now.
    recorder
        Gives what writes decisions down; None for nothing.
    gate
        Lets requests in.
    settings
        The limits of a body.
    shadow
        Scores in silence what is answered here.
    pricing
        Gives the prices of the newest plan; None to decide on each request alone.
    learned
        Gives what was learned of options that are ranked.
    """

    def __init__(
        self,
        served: Callable[[], Served],
        recorder: Callable[[], Recorder | None],
        gate: AccessControl,
        settings: Settings,
        *,
        shadow: Shadow | None = None,
        pricing: Pricing | None = None,
        learned: Learned | None = None,
    ) -> None:
        self._served = served
        self._recorder = recorder
        self._gate = gate
        self._max_rows = settings.max_rows
        self._max_bytes = settings.max_body_bytes
        self._patience = BodyTimeout(settings.body_seconds)
        self._shadow = shadow
        self._pricing = pricing
        self._learned = learned or Learned(None, 0.0)
        self._decoder: msgspec.json.Decoder[RecommendBody] = msgspec.json.Decoder(RecommendBody)
        self._repeats = Repeats()

    async def __call__(self, request: Request) -> Reply | None:
        """Answer a request; None if the client went away."""
        client = self._gate.admit(request, "recommend")
        self._gate.enter()
        try:
            refuse_media(request, JSON)
            raw = await read_body(request, limit=self._max_bytes, patience=self._patience)
            if raw is None:
                return None
            if b"idempotency-key" in request.headers:
                return await self._once(request, client, raw)
            return await self._answer(raw, token_hex(_ID_BYTES))
        finally:
            self._gate.leave()

    async def _once(self, request: Request, client: str, raw: bytes) -> Reply:
        repeat = repeat_of(request, client, raw)
        if repeat is None:
            return await self._answer(raw, token_hex(_ID_BYTES))
        known = self._repeats.begin(repeat)
        if known is not None:
            return Reply(known.body, headers={"idempotent-replayed": "true"})
        reply = None
        try:
            reply = await self._answer(raw, repeat.ids)
        finally:
            # A refusal is not kept: mended, the request may come again under its key.
            self._repeats.end(repeat, reply)
        return reply

    async def _answer(self, raw: bytes, ids: str) -> Reply:
        served = self._served()
        answers, recorder = served.answers, self._recorder()
        if not answers.recommends:
            raise refuse_no_actions()
        body = decode(self._decoder, raw, max_rows=self._max_rows)
        moment = time.time()
        context = None
        if answers.context_requirements:
            context = await self._who(served, body, datetime.fromtimestamp(moment, UTC))
        if answers.ranks:
            answer, headers = self._ranked(served, raw, body, ids=ids, context=context)
        else:
            answer, headers = self._decided(served, raw, body, ids=ids, context=context)
        if recorder is not None:
            await _write(recorder, served, answer, body, moment)
        if self._shadow is not None:
            self._shadow.show(body.customers, answer)
        scored = len(answer.rows) - answer.refused
        return Reply(served.envelope(answer), headers=headers, rows=scored, refused=answer.refused)

    def _decided(
        self,
        served: Served,
        raw: bytes,
        body: RecommendBody,
        *,
        ids: str,
        context: DecisionContext | None,
    ) -> tuple[Answer, dict[str, str]]:
        """Decide which action pays, at the prices of the newest plan if there are some."""
        prices, priced = None, {}
        # Customers who share a budget of their own request do not share the plan's.
        if self._pricing is not None and body.budget is UNSET:
            prices, digest = self._pricing.now(served.model.catalogue)
            priced = {"churnkit-prices": digest} if prices is not None else {}
        return served.answers.recommend(raw, body, ids=ids, context=context, prices=prices), priced

    def _ranked(
        self,
        served: Served,
        raw: bytes,
        body: RecommendBody,
        *,
        ids: str,
        context: DecisionContext | None,
    ) -> tuple[Answer, dict[str, str]]:
        """Rank the options by what was learned of them so far."""
        if body.budget is not UNSET:
            raise refuse_budget()
        bandit = self._learned.now(served.model)
        answer = served.answers.rank(raw, body, ids=ids, values=bandit, context=context)
        return answer, {"churnkit-bandit": str(bandit.version)}

    async def _who(self, served: Served, body: RecommendBody, now: datetime) -> Any:
        """Say who the customers are and, where contact rules ask for it, what they got before."""
        from datetime import timedelta

        from churnkit.decisions import DecisionContext, History

        entity = served.model.contract.entity.name
        names = [str(customer.get(entity)) for customer in body.customers]
        days = served.answers.contact_days
        history = History()
        if days:
            recorder = self._recorder()
            if recorder is None:
                raise Problem(
                    503,
                    "no-journal",
                    "this catalogue has contact rules, which count what went out before: start "
                    "the service with CHURNKIT_JOURNAL",
                    headers={"retry-after": "60"},
                )
            await recorder.flush()
            history = await recorder.history(names, now - timedelta(days=days))
        return DecisionContext(names, now.date(), history, now)


async def _write(
    recorder: Recorder, served: Served, answer: Answer, body: RecommendBody, moment: float
) -> None:
    """Write an answer's decisions: at once under contact limits, else behind the answer."""
    lines = list(_lines(served, answer, body, moment))
    limits = served.answers.contact_limits
    if not limits:
        recorder.add(lines)
        return
    capped = set(await recorder.record_now(lines, limits))
    nothing = {"action": None, "reason": _CAPPED}
    money = dict.fromkeys(("expected_gain", "gain_low", "gain_high", "cost"), 0.0)
    for row in answer.rows:
        if "options" in row:
            without(row, capped, _CAPPED)
        elif row["prediction_id"] in capped:
            row.update(nothing | money)


def _lines(
    served: Served, answer: Answer, body: RecommendBody, moment: float
) -> Iterator[dict[str, Any]]:
    """Give what is written down: a decision for each customer, or for each place of a list."""
    model = served.model
    entity = model.contract.entity.name
    actions = {action.name: action for action in model.parts.actions}
    same = {
        "at": moment,
        "policy": model.name,
        "model": model.name,
        "model_version": served.version or None,
        "model_digest": model.digest,
    }
    for row, decision, customer in zip(answer.rows, answer.decisions, body.customers, strict=True):
        if decision is None:
            continue
        whose = {**same, "customer": str(row[entity])}
        if isinstance(decision, RankingDecision):
            lines = shown_lines(
                row["prediction_id"],
                decision,
                customer,
                model.compiled_ranking,
                state=answer.state,
            )
            yield from (whose | line for line in lines)
        else:
            yield whose | _line(row, decision, actions.get(decision.action or ""))


def _line(row: dict[str, Any], decision: Decision, action: Action | None) -> dict[str, Any]:
    return {
        "key": row["prediction_id"],
        "action": decision.action,
        "action_group": action.group if action else None,
        "channel": action.channel if action else None,
        "propensity": decision.propensity,
        "eligible": decision.eligible,
        "expected_gain": decision.expected_gain,
        "gain_low": decision.gain_low,
        "gain_high": decision.gain_high,
        "cost": decision.cost,
        "explored": decision.explored,
        "reason": decision.reason,
    }
