"""The three questions of the endpoint, answered from a decoded body."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np
from msgspec import UNSET

from churnkit.contracts.encoding.row_encoder import RowEncoder
from churnkit.contracts.validation.violations import Finding
from churnkit.decisions import Decision, decide, decide_one
from churnkit.decisions.eligibility.context import context_requirements
from churnkit.decisions.ranking.rank_rows import rank_rows
from churnkit.server.http.problem_details import Problem
from churnkit.server.http.request_body import (
    ExplainBody,
    PredictBody,
    RecommendBody,
    refuse_repeated_keys,
)
from churnkit.server.observability.input_warnings import Observer, Warnings
from churnkit.server.observability.metrics import Metrics
from churnkit.server.routes.ranked_response import ranked_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.bundle import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.contracts.validation.violations import Violation
    from churnkit.decisions import ContactLimit, DecisionContext, RankingDecision, ShadowPrices
    from churnkit.models.bandit.linear import LinearBandit

__all__ = ["DEFAULT_REASONS", "Answer", "Answers", "Rows", "refuse_no_actions", "refuse_rows"]

DEFAULT_REASONS: Final = 3

Rows = list[dict[str, Any]]


class Answer(msgspec.Struct, frozen=True):
    """What one request is told.

    Parameters
    ----------
    rows
        A record for each customer, in order.
    warnings
        What was strange about customers that were scored all the same.
    refused
        How many customers were reported in place instead of scored.
    decisions
        Of a recommendation, one for each row, or what it is shown; None for rows that were
        refused.
    state
        Of a list, how many batches were learned from before it was made.
    """

    rows: Rows
    warnings: Warnings
    refused: int = 0
    decisions: Sequence[Decision | RankingDecision | None] = ()
    state: int = 0


class Answers:
    """A model's answers to requests, one record for each customer, in order.

    A request is answered whole or refused whole, unless it asks for ``partial`` answers.

    Parameters
    ----------
    model
        Its contract reads the requests in the strict manner: a number is a number, and a
        column that it does not know is refused.
    metrics
        Where scores and strange values are counted; nowhere that is read if None.
    """

    def __init__(self, model: RetentionModel, metrics: Metrics | None = None) -> None:
        self._model = model
        self._entity = model.contract.entity.name
        self._n_features = len(model.contract.features)
        catalogue = model.parts.catalogue
        columns = model.contract.encoded("recommend")
        self._actions = None if catalogue is None else catalogue.compile(columns)
        self._ranking = None if model.parts.ranker is None else model.compiled_ranking
        self._observer = Observer(model, metrics or Metrics())
        self._encoders: dict[str, RowEncoder] = {
            "predict": RowEncoder(model.contract, "predict", closed=True),
            "recommend": RowEncoder(model.contract, "recommend", closed=True),
        }

    @property
    def recommends(self) -> bool:
        """Whether the model has a catalogue of actions, or options to rank."""
        return self._actions is not None or self.ranks

    @property
    def ranks(self) -> bool:
        """Whether the model ranks options."""
        return self._ranking is not None

    def predict(self, raw: bytes, body: PredictBody, *, ids: str) -> Answer:
        """Give each customer's probability of leaving.

        Parameters
        ----------
        raw, body
            The body as it was sent, and decoded.
        ids
            The request's own id: a prediction's is this, a dash, and its row's number.
        """
        customers = body.customers
        if len(customers) == 1:
            values = self._encoders["predict"].encode_row(customers[0])
            if values is not None:
                refuse_repeated_keys(raw, body)
                probability = self._probability(values)
                warnings = self._observer.row(values, probability)
                return Answer([self._record(customers[0], ids + "-0", probability)], warnings)
        encoded, probabilities, warnings = self._scored(raw, body, "predict")
        return self._answer(self._records(body, encoded, probabilities, ids), encoded, warnings)

    def explain(self, raw: bytes, body: ExplainBody, *, ids: str) -> Answer:
        """Give each customer's probability with the strongest reasons for it."""
        encoded, probabilities, warnings = self._scored(raw, body, "predict")
        top = DEFAULT_REASONS if body.top is UNSET else int(body.top)
        reasons = self._model.reasons(encoded, top=top)
        rows = [
            record if "problem" in record else {**record, "reasons": [r.to_dict() for r in of_row]}
            for record, of_row in zip(
                self._records(body, encoded, probabilities, ids), reasons, strict=True
            )
        ]
        return self._answer(rows, encoded, warnings)

    @property
    def context_requirements(self) -> bool:
        """Whether the catalogue asks who the customers are, and which day it is."""
        rules = self._model.parts.rules
        return rules is not None and bool(context_requirements(rules))

    @property
    def contact_days(self) -> float:
        """How far back contact rules look; 0 where there are none."""
        rules = self._model.parts.rules
        return 0.0 if rules is None else rules.contact.days

    @property
    def contact_limits(self) -> tuple[ContactLimit, ...]:
        """How often a customer may be approached."""
        rules = self._model.parts.rules
        return () if rules is None else tuple(rules.contact.limits)

    def recommend(
        self,
        raw: bytes,
        body: RecommendBody,
        *,
        ids: str,
        context: DecisionContext | None = None,
        prices: ShadowPrices | None = None,
    ) -> Answer:
        """Give each customer's probability with the action that pays most, or none.

        At `prices` each customer is decided on as a plan would decide on one more; without them
        the customers of one request share its budget and the capacities.
        """
        budget = None if body.budget is UNSET else body.budget
        if len(body.customers) == 1 and self._actions is not None:
            values = self._encoders["recommend"].encode_row(body.customers[0])
            if values is not None:
                refuse_repeated_keys(raw, body)
                probability = self._probability(values[: self._n_features])
                own = np.array([values[: self._n_features]])
                decision = decide_one(
                    probability,
                    values,
                    self._actions,
                    budget=budget,
                    context=context,
                    prices=prices,
                    treatment_effects=self._model.treatment_effects(own),
                    survival_weights=self._lasting(own)[0],
                )
                record = self._record(body.customers[0], ids + "-0", probability)
                warnings = self._observer.row(values, probability)
                return Answer([record | decision.to_dict()], warnings, 0, [decision])
        encoded, probabilities, warnings = self._scored(raw, body, "recommend", unique=True)
        decided = (
            self._decide(encoded, probabilities, budget, context)
            if prices is None
            else self._decide_at(encoded, probabilities, prices, context)
        )
        rows = [
            record if "problem" in record else {**record, **decision.to_dict()}
            for record, decision in zip(
                self._records(body, encoded, probabilities, ids), decided, strict=True
            )
        ]
        kept = [
            None if "problem" in row else decision
            for row, decision in zip(rows, decided, strict=True)
        ]
        return msgspec.structs.replace(self._answer(rows, encoded, warnings), decisions=kept)

    def rank(
        self,
        raw: bytes,
        body: RecommendBody,
        *,
        ids: str,
        values: LinearBandit,
        context: DecisionContext | None = None,
    ) -> Answer:
        """Give each customer's probability with the options to show, best first.

        Parameters
        ----------
        raw, body, ids
            As in `predict`; a prediction's id is the key of its chances.
        values
            What is known of the options' values.
        context
            The customers and the day, where the ranking's rules ask for them.
        """
        if self._ranking is None:
            raise refuse_no_actions()
        encoded, probabilities, warnings = self._scored(raw, body, "recommend", unique=True)
        rows = self._records(body, encoded, probabilities, ids)
        good = [place for place, row in enumerate(rows) if "problem" not in row]
        found = rank_rows(
            self._ranking,
            encoded.matrix[good],
            values,
            keys=[rows[place]["prediction_id"] for place in good],
            context=None
            if context is None
            else replace(context, customers=[context.customers[p] for p in good]),
        )
        ranked: list[RankingDecision | None] = [None] * len(rows)
        for place, one in zip(good, found, strict=True):
            rows[place], ranked[place] = ranked_row(rows[place], one), one
        answer = self._answer(rows, encoded, warnings)
        return msgspec.structs.replace(answer, decisions=ranked, state=values.version)

    def _decide(
        self,
        encoded: Encoded,
        probabilities: Sequence[float],
        budget: float | None,
        context: DecisionContext | None,
    ) -> list[Decision]:
        """Decide for the rows together: they share the budget and the capacities."""
        if self._actions is None:
            raise refuse_no_actions()
        found = decide(
            np.asarray(probabilities),
            encoded.matrix,
            self._actions,
            budget=budget,
            context=context,
            treatment_effects=self._model.treatment_effects(encoded.features),
            survival_weights=self._model.survival_weights(encoded.features),
        )
        names = np.array(found.names)
        return [
            Decision(
                action,
                gain,
                low,
                high,
                cost,
                reason,
                propensity,
                explored=explored,
                eligible=tuple(names[there].tolist()),
            )
            for action, gain, low, high, cost, reason, propensity, explored, there in zip(
                found.action_name,
                found.expected_gain.tolist(),
                found.low.tolist(),
                found.high.tolist(),
                found.cost.tolist(),
                found.reason,
                found.propensity.tolist(),
                found.explored.tolist(),
                found.eligible,
                strict=True,
            )
        ]

    def _decide_at(
        self,
        encoded: Encoded,
        probabilities: Sequence[float],
        prices: ShadowPrices,
        context: DecisionContext | None,
    ) -> list[Decision]:
        """Decide for the rows one by one: at a plan's prices they do not compete."""
        if self._actions is None:
            raise refuse_no_actions()
        survival_weights = self._lasting(encoded.features)
        return [
            decide_one(
                probability,
                encoded.matrix[row].tolist(),
                self._actions,
                prices=prices,
                context=None
                if context is None
                else replace(context, customers=[context.customers[row]]),
                treatment_effects=self._model.treatment_effects(encoded.features[row : row + 1]),
                survival_weights=survival_weights[row],
            )
            for row, probability in enumerate(probabilities)
        ]

    def _lasting(self, features: NDArray[np.float64]) -> Sequence[list[float] | None]:
        found = self._model.survival_weights(features)
        return [None] * len(features) if found is None else found.tolist()

    def _answer(self, rows: Rows, encoded: Encoded, warnings: Warnings) -> Answer:
        refused = int(len(rows) - encoded.valid.sum()) if encoded.findings else 0
        return Answer(rows, warnings, refused)

    def _probability(self, values: list[float]) -> float:
        parts = self._model.parts
        return parts.calibration.apply_one(parts.scorer.raw_score_row(values))

    def _record(self, customer: dict[str, Any], name: str, probability: float) -> dict[str, Any]:
        return {
            self._entity: customer[self._entity],
            "prediction_id": name,
            "churn_probability": probability,
        }

    def _records(
        self, body: PredictBody, encoded: Encoded, probabilities: Sequence[float], ids: str
    ) -> Rows:
        broken = _by_row(encoded.findings)
        return [
            self._broken(customer, f"{ids}-{row}", broken[row])
            if row in broken
            else self._record(customer, f"{ids}-{row}", probability)
            for row, (customer, probability) in enumerate(
                zip(body.customers, probabilities, strict=True)
            )
        ]

    def _broken(
        self, customer: dict[str, Any], name: str, violations: Sequence[Violation]
    ) -> dict[str, Any]:
        """Report a customer in place; its id only if the id is one."""
        named = all(v.column != self._entity or v.rule == "unique" for v in violations)
        return {
            self._entity: customer.get(self._entity) if named else None,
            "prediction_id": name,
            "churn_probability": None,
            "problem": [
                {"column": v.column, "rule": v.rule, "remedy": v.remedy} for v in violations
            ],
        }

    def _scored(
        self,
        raw: bytes,
        body: PredictBody,
        purpose: Literal["predict", "recommend"],
        *,
        unique: bool = False,
    ) -> tuple[Encoded, list[float], Warnings]:
        encoded = self._encoders[purpose].encode(body.customers)
        if unique and (body.reports or not encoded.findings):
            encoded = self._with_repeated(encoded)
        if encoded.findings and not body.reports:
            raise refuse_rows(encoded.violations)
        refuse_repeated_keys(raw, body)
        probabilities: list[float] = self._model.probabilities(encoded).tolist()
        return encoded, probabilities, self._observer.table(encoded, probabilities)

    def _with_repeated(self, encoded: Encoded) -> Encoded:
        """Find the rows whose customer stood in a row before."""
        seen: set[Any] = set()
        repeated = []
        for position, name in enumerate(encoded.entity):
            # An id that is no id, such as a list, breaks a rule of its own.
            if not isinstance(name, (str, int, float)):
                continue
            if name in seen:
                repeated.append(position)
            seen.add(name)
        if not repeated:
            return encoded
        finding = Finding(self._entity, "unique", np.array(repeated))
        return replace(encoded, findings=(*encoded.findings, finding))


def _by_row(findings: Sequence[Finding]) -> dict[int, list[Violation]]:
    found: dict[int, list[Violation]] = {}
    for finding in findings:
        violation = finding.to_violation()
        for row in finding.positions.tolist():
            found.setdefault(row, []).append(violation)
    return found


def refuse_no_actions() -> Problem:
    """Refuse to recommend with a model that has no catalogue of actions."""
    detail = "this model was trained without actions: name some in the recipe, train again"
    return Problem(404, "no-actions", detail)


def refuse_rows(violations: Sequence[Violation]) -> Problem:
    """Refuse customers that break rules of the contract."""
    return Problem(
        422,
        "contract",
        "no customer was scored: correct what the violations name, leave those rows out, or ask "
        "for the others with partial (rows count from 0)",
        violations=[violation.to_dict() for violation in violations],
    )
