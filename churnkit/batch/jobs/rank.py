"""Rank options for a file of customers: a row for each position of each slate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.batch.jobs.customer_table import read_customers, write_customers
from churnkit.batch.jobs.decide import refuse_row_numbers
from churnkit.batch.jobs.input_summary import count_inputs, describe_inputs
from churnkit.bundle.decision_records import RecordBuilder, slate_fields
from churnkit.bundle.entity_ids import arrow_ids, entities
from churnkit.core.result import Result
from churnkit.decisions.reason_codes import CAPPED, REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from churnkit.batch.jobs.decide import DecisionPeriod
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.core.io.table_sources import Query, Source
    from churnkit.journal import DecisionRecord, Journal

__all__ = ["RankReport", "rank"]

_COLUMNS = {
    "place": pa.int64(),
    "action": pa.string(),
    "decision": pa.string(),
    "propensity": pa.float64(),
    "value": pa.float64(),
    "cost": pa.float64(),
    "explored": pa.bool_(),
    "reason": pa.string(),
}
_CAPPED_LINE: dict[str, Any] = {"reason": REASONS[CAPPED]}
Slates = dict[int, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class RankReport(Result):
    """Totals of the slates of a file.

    Parameters
    ----------
    rows, invalid
        Number of rows, and of rows that violate a rule and get no slate.
    shown
        Number of customers with a slate.
    options
        Number of slates with each option, and with it first.
    before
        Number of customers with an earlier slate in the period, which is kept.
    cost
        Expected cost of all slates, in money.
    budget_price
        What one more unit of the budget would bring, net; None without a budget.
    notes
        Sentences about violated rules, and columns that differ from those of training.
    """

    rows: int
    invalid: int
    shown: int
    options: tuple[dict[str, Any], ...]
    before: int = 0
    cost: float = 0.0
    budget_price: float | None = None
    notes: tuple[str, ...] = ()


def rank(
    source: str | Path | Source | Query,
    model: RetentionModel,
    *,
    output: str | Path | None = None,
    period: DecisionPeriod | None = None,
    budget: float | None = None,
) -> tuple[pa.Table, RankReport]:
    """Rank a model's options for each customer of a file.

    Parameters
    ----------
    source
        A .csv or .parquet file, a folder or a pattern of them, or what `open_source` gives,
        with one row a customer.
    model
        Model from `churnkit.load` with a `Ranking` in its recipe; for a later state of its bandit
        use `RetentionModel.with_bandit`.
    output
        File for the slates, written atomically; None for none.
    period
        Day, period and journal of the decisions. Required if the ranking has holdouts, dates or
        contact rules.
    budget
        Maximum expected cost of all slates of the period, in money; the ranking needs a
        `reward_value`. None for no limit.

    Returns
    -------
    tuple of pyarrow.Table and RankReport
        A row for each position of each slate, customers in order: the entity,
        ``churn_probability``, ``place`` from 1, ``action``, ``decision`` (the key for outcomes),
        ``propensity``, ``value`` (expected reward; gain in money with a `reward_value`), ``cost``,
        ``explored``, ``reason`` and ``problem``. A customer without a slate has one row without a
        place. And the totals.

    Raises
    ------
    DataError
        If a column is missing, or a customer has two rows.
    RecipeError
        If the model has no ranking, a decision period is required, or the budget cannot be kept.
    """
    _ = model.ranker  # raises without a ranking, before anything is read
    customers = read_customers(source, model.contract, output=output)
    encoded, probability = model.score_table(customers, "recommend", unique=True)
    slates, before, price = _slates(model, customers, encoded, period, budget)
    table = _tabulate(model, encoded, probability, slates)
    if output is not None:
        write_customers(table, output, model.contract)
    return table, _totals(model, encoded, slates, before, price)


def _slates(
    model: RetentionModel,
    customers: pa.Table,
    encoded: Encoded,
    period: DecisionPeriod | None,
    budget: float | None,
) -> tuple[Slates, int, float | None]:
    """Return the slate of each valid row, the number of earlier ones and the budget's price."""
    names = entities(encoded)
    journal = None if period is None else period.journal
    before: dict[str, list[dict[str, Any]]] = {}
    if journal is not None and period is not None:
        refuse_row_numbers(model)
        before = _before(journal, model.name, period, names)
    valid = np.flatnonzero(encoded.valid).tolist()
    earlier: Slates = {row: before[names[row]] for row in valid if names[row] in before}
    remaining = [row for row in valid if row not in earlier]
    if budget is not None:
        budget = max(budget - _cost(earlier), 0.0)
    new, records, price = _new_slates(
        model, customers, encoded, remaining, period=period, budget=budget
    )
    if journal is not None:
        capped = set(
            journal.record(records, limits=model.ranker.ranking.rules.contact.limits).capped
        )
        new = {
            row: [line for line in lines if line["decision"] not in capped] or [_CAPPED_LINE]
            for row, lines in new.items()
        }
    return earlier | new, len(earlier), price


def _new_slates(
    model: RetentionModel,
    customers: pa.Table,
    encoded: Encoded,
    rows: Sequence[int],
    *,
    period: DecisionPeriod | None,
    budget: float | None,
) -> tuple[Slates, list[Any], float | None]:
    """Rank options for some rows; return their slates, journal entries and the budget's price."""
    ranker, compiled = model.ranker, model.compiled_ranking
    names = entities(encoded)
    context, keys = None, [f"{names[row]}:None" for row in rows]
    if period is not None:
        from churnkit.journal import decision_key, read_decision_context

        keys = [decision_key(model.name, period.name, names[row]) for row in rows]
        context = read_decision_context(
            period.journal,
            [names[row] for row in rows],
            compiled.ranking.rules,
            as_of=period.as_of,
            at=period.at,
        )
    matrix, price = encoded.matrix[list(rows)], None
    if budget is not None:
        price = model.ranking_price(matrix, keys=keys, budget=budget, context=context)
    ranked = model.rank_table(matrix, keys=keys, context=context, budget_price=price or 0.0)
    read = [column.name for column in compiled.columns if column.name in customers.column_names]
    values = customers.select(read).take(pa.array(rows, pa.int64())).to_pylist()
    builder = RecordBuilder(model)
    slates: Slates = {}
    records: list[DecisionRecord] = []
    for row, key, decision, features in zip(rows, keys, ranked, values, strict=True):
        state = ranker.bandit.version
        lines = slate_fields(key, decision, features, compiled, state=state)
        slates[row] = [_to_line(line) for line in lines]
        erased = context is not None and names[row] in context.no_contact
        if period is not None and period.journal is not None and not erased:
            records += builder.records(
                decision,
                names[row],
                key=key,
                as_of=period.as_of,
                decided_at=period.at or period.as_of,
                period=period.name,
                row=features,
                state=state,
            )
    return slates, records, price


def _to_line(line: Mapping[str, Any]) -> dict[str, Any]:
    detail = line.get("detail") or {}
    names = ("action", "propensity", "explored", "reason", "cost")
    fields = {name: line.get(name) for name in names}
    return fields | {
        "place": detail.get("place"),
        "value": detail.get("value"),
        "decision": line["key"],
    }


def _before(
    journal: Journal, policy: str, period: DecisionPeriod, customers: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the period's earlier slates by customer, in the order of positions."""
    table = journal.decisions(policy=policy, period=period.name, customers=customers)
    earlier: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        if row["verdict"] == "decide":
            detail = json.loads(row["detail"] or "{}")
            lines = earlier.setdefault(row["customer"], [])
            if not row["capped"]:
                lines.append(_to_line({**row, "detail": detail}))
    for lines in earlier.values():
        lines.sort(key=lambda line: line["place"] or 0)
        lines[:] = lines or [_CAPPED_LINE]
    return earlier


def _tabulate(
    model: RetentionModel, encoded: Encoded, probability: np.ndarray[Any, Any], slates: Slates
) -> pa.Table:
    """Return the slates as a table, a row for each position."""
    problems = encoded.reasons()
    invalid_line: dict[str, Any] = {"reason": "not scored"}
    lines = [
        (row, line) for row in range(len(probability)) for line in slates.get(row, [invalid_line])
    ]
    rows = [row for row, _ in lines]
    row_indices = pa.array(rows, pa.int64())
    ids = arrow_ids(encoded.entity)
    columns = {
        name: pa.array([line.get(name) for _, line in lines], kind)
        for name, kind in _COLUMNS.items()
    }
    return pa.table(
        {
            model.contract.entity.name: ids.take(row_indices),
            "churn_probability": pa.array(probability[rows], from_pandas=True),
            **columns,
            "problem": pa.array([problems.get(row) for row in rows], pa.string()),
        }
    )


def _cost(slates: Slates) -> float:
    return sum(line.get("cost") or 0.0 for lines in slates.values() for line in lines)


def _totals(
    model: RetentionModel, encoded: Encoded, slates: Slates, before: int, price: float | None
) -> RankReport:
    shown = [[line["action"] for line in lines if line.get("action")] for lines in slates.values()]
    options = tuple(
        {
            "option": name,
            "shown": sum(name in actions for actions in shown),
            "first": sum(bool(actions) and actions[0] == name for actions in shown),
        }
        for name in model.ranker.ranking.names
    )
    count = len(encoded.matrix)
    return RankReport(
        rows=count,
        invalid=count - int(encoded.valid.sum()),
        shown=sum(map(bool, shown)),
        options=options,
        before=before,
        cost=_cost(slates),
        budget_price=price,
        notes=describe_inputs([count_inputs(encoded, model)], model),
    )
