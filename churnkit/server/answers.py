"""The three questions of the endpoint, answered from a decoded body."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import UNSET

from churnkit.contracts.rows import RowEncoder
from churnkit.contracts.violations import Violation
from churnkit.decisions import decide_one
from churnkit.server.body import Body, ExplainBody, PredictBody, RecommendBody, refuse_repeated_keys
from churnkit.server.problems import Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from churnkit.bundle import RetentionModel
    from churnkit.contracts.encoded import Encoded

__all__ = ["DEFAULT_REASONS", "Answers", "Rows"]

DEFAULT_REASONS: Final = 3
_POSITIONS_SHOWN = 5

Rows = list[dict[str, Any]]
Answer = Callable[[bytes, Body], Rows]


class Answers:
    """A model's answers to requests, one record for each customer, in order.

    A request is answered whole or refused whole.

    Parameters
    ----------
    model
        Its contract reads the requests in the strict manner: a number is a number, and a
        column that it does not know is refused.
    """

    def __init__(self, model: RetentionModel) -> None:
        self._model = model
        self._entity = model.contract.entity.name
        self._n_features = len(model.contract.features)
        catalogue = model.parts.catalogue
        columns = model.contract.encoded("recommend")
        self._actions = None if catalogue is None else catalogue.compile(columns)
        self._encoders: dict[str, RowEncoder] = {
            "predict": RowEncoder(model.contract, "predict", closed=True),
            "recommend": RowEncoder(model.contract, "recommend", closed=True),
        }

    @property
    def recommends(self) -> bool:
        """Whether the model has a catalogue of actions."""
        return self._actions is not None

    def predict(self, raw: bytes, body: PredictBody) -> Rows:
        """Give each customer's probability of leaving."""
        customers = body.customers
        if len(customers) == 1:
            values = self._encoders["predict"].encode_row(customers[0])
            if values is not None:
                refuse_repeated_keys(raw, body)
                return [self._record(customers[0], self._probability(values))]
        _, probabilities = self._scored(raw, body, "predict")
        return list(map(self._record, customers, probabilities.tolist()))

    def explain(self, raw: bytes, body: ExplainBody) -> Rows:
        """Give each customer's probability with the strongest reasons for it."""
        encoded, probabilities = self._scored(raw, body, "predict")
        top = DEFAULT_REASONS if body.top is UNSET else int(body.top)
        reasons = self._model.reasons(encoded, top=top)
        records = map(self._record, body.customers, probabilities.tolist())
        return [
            {**record, "reasons": [reason.to_dict() for reason in of_row]}
            for record, of_row in zip(records, reasons, strict=True)
        ]

    def recommend(self, raw: bytes, body: RecommendBody) -> Rows:
        """Give each customer's probability with the action that pays most, or none."""
        budget = None if body.budget is UNSET else body.budget
        if len(body.customers) == 1 and self._actions is not None:
            values = self._encoders["recommend"].encode_row(body.customers[0])
            if values is not None:
                refuse_repeated_keys(raw, body)
                probability = self._probability(values[: self._n_features])
                decision = decide_one(probability, values, self._actions, budget=budget)
                return [self._record(body.customers[0], probability) | decision.to_dict()]
        encoded, probabilities = self._scored(raw, body, "recommend")
        self._refuse_repeated_customers(body.customers)
        columns = self._model.decide(encoded, probabilities, budget=budget).to_columns()
        lists = [list(column) for column in map(_plain, columns.values())]
        records = map(self._record, body.customers, probabilities.tolist())
        return [
            {**record, **dict(zip(columns, cells, strict=True))}
            for record, *cells in zip(records, *lists, strict=True)
        ]

    def _probability(self, values: list[float]) -> float:
        parts = self._model.parts
        return parts.calibration.apply_one(parts.scorer.raw_score_row(values))

    def _record(self, customer: dict[str, Any], probability: float) -> dict[str, Any]:
        return {self._entity: customer[self._entity], "churn_probability": probability}

    def _scored(
        self, raw: bytes, body: Body, purpose: Literal["predict", "recommend"]
    ) -> tuple[Encoded, NDArray[np.float64]]:
        encoded = self._encoders[purpose].encode(body.customers)
        if encoded.findings:
            raise _refuse_rows(encoded.violations)
        refuse_repeated_keys(raw, body)
        return encoded, self._model.probabilities(encoded)

    def _refuse_repeated_customers(self, customers: Rows) -> None:
        seen: set[Any] = set()
        repeated = []
        for position, customer in enumerate(customers):
            name = customer[self._entity]
            if name in seen:
                repeated.append(position)
            seen.add(name)
        if repeated:
            shown = tuple(repeated[:_POSITIONS_SHOWN])
            raise _refuse_rows([Violation(self._entity, "unique", len(repeated), shown)])


def _plain(column: Any) -> list[Any]:
    return column if isinstance(column, list) else list(column.tolist())


def _refuse_rows(violations: Sequence[Violation]) -> Problem:
    return Problem(
        422,
        "contract",
        "no customer was scored: correct what the violations name, or leave those rows out "
        "(rows count from 0)",
        violations=[violation.to_dict() for violation in violations],
    )
