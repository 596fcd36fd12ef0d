"""Rank options for a file of customers: a row for each position of each slate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from churnkit.batch.jobs.customer_table import read_customers, write_customers
from churnkit.bundle.decision_records import slate_fields
from churnkit.bundle.entity_ids import arrow_ids, entities
from churnkit.core.result import Result
from churnkit.decisions.eligibility.exclusions import assigned_holdouts
from churnkit.decisions.reason_codes import CAPPED, REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from churnkit.batch.jobs.decide import DecisionPeriod
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.core.io.table_sources import Query, Source
    from churnkit.journal import Journal

__all__ = ["RankReport", "rank"]

_SHOWN = {
    "place": pa.int64(),
    "action": pa.string(),
    "decision": pa.string(),
    "propensity": pa.float64(),
    "value": pa.float64(),
    "explored": pa.bool_(),
    "reason": pa.string(),
}
_CAPPED_LINE: dict[str, Any] = {"reason": REASONS[CAPPED]}
Lists = dict[int, list[dict[str, Any]]]


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
    """

    rows: int
    invalid: int
    shown: int
    options: tuple[dict[str, Any], ...]
    before: int = 0


def rank(
    source: str | Path | Source | Query,
    model: RetentionModel,
    *,
    output: str | Path | None = None,
    period: DecisionPeriod | None = None,
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

    Returns
    -------
    tuple of pyarrow.Table and RankReport
        A row for each position of each slate, customers in order: the entity,
        ``churn_probability``, ``place`` from 1, ``action``, ``decision`` (the key for outcomes),
        ``propensity``, ``value`` (expected reward), ``explored``, ``reason`` and ``problem``. A
        customer without a slate has one row without a place. And the totals.

    Raises
    ------
    DataError
        If a column is missing, or a customer has two rows.
    RecipeError
        If the model has no ranking, or a decision period is required.
    """
    _ = model.ranker  # raises without a ranking, before anything is read
    customers = read_customers(source, model.contract, output=output)
    encoded, probability = model.score_table(customers, "recommend", unique=True)
    lists, before = _slates(model, customers, encoded, period)
    table = _tabulate(model, encoded, probability, lists)
    if output is not None:
        write_customers(table, output, model.contract)
    return table, _totals(model, encoded, lists, before)


def _slates(
    model: RetentionModel, customers: pa.Table, encoded: Encoded, period: DecisionPeriod | None
) -> tuple[Lists, int]:
    """Return the slate of each valid row, and the number of earlier ones."""
    names = entities(encoded)
    journal = None if period is None else period.journal
    before: dict[str, list[dict[str, Any]]] = {}
    if journal is not None and period is not None:
        before = _before(journal, model.name, period, names)
    good = np.flatnonzero(encoded.valid).tolist()
    found: Lists = {row: before[names[row]] for row in good if names[row] in before}
    rest = [row for row in good if row not in found]
    made, records = _new_slates(model, customers, encoded, rest, period)
    if journal is not None:
        capped = set(
            journal.record(records, limits=model.ranker.ranking.rules.contact.limits).capped
        )
        made = {
            row: [line for line in lines if line["decision"] not in capped] or [_CAPPED_LINE]
            for row, lines in made.items()
        }
    return found | made, len(found)


def _new_slates(
    model: RetentionModel,
    customers: pa.Table,
    encoded: Encoded,
    rows: Sequence[int],
    period: DecisionPeriod | None,
) -> tuple[Lists, list[Any]]:
    """Rank for some rows; give their lists, and the entries of a journal."""
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
    ranked = model.rank_table(encoded.matrix[list(rows)], keys=keys, context=context)
    read = [column.name for column in compiled.columns if column.name in customers.column_names]
    values = customers.select(read).take(pa.array(rows, pa.int64())).to_pylist()
    lists: Lists = {}
    records = []
    for row, key, one, value in zip(rows, keys, ranked, values, strict=True):
        lines = slate_fields(key, one, value, compiled, state=ranker.bandit.version)
        lists[row] = [_to_line(line) for line in lines]
        erased = context is not None and names[row] in context.no_contact
        if period is not None and period.journal is not None and not erased:
            records += [_record(model, names[row], line, period) for line in lines]
    return lists, records


def _to_line(line: Mapping[str, Any]) -> dict[str, Any]:
    detail = line.get("detail") or {}
    fields = {name: line.get(name) for name in ("action", "propensity", "explored", "reason")}
    return fields | {
        "place": detail.get("place"),
        "value": detail.get("value"),
        "decision": line["key"],
    }


def _record(
    model: RetentionModel, customer: str, line: Mapping[str, Any], period: DecisionPeriod
) -> Any:
    from churnkit.journal import DecisionRecord

    return DecisionRecord(
        **line,
        customer=customer,
        as_of=period.as_of,
        decided_at=period.at or period.as_of,
        policy=model.name,
        model=model.name,
        model_digest=model.digest,
        period=period.name,
        holdout=assigned_holdouts(model.ranker.ranking.rules, customer),
    )


def _before(
    journal: Journal, policy: str, period: DecisionPeriod, customers: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the period's earlier slates by customer, in the order of positions."""
    table = journal.decisions(policy=policy, period=period.name, customers=customers)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        if row["verdict"] == "decide":
            detail = json.loads(row["detail"] or "{}")
            lines = found.setdefault(row["customer"], [])
            if not row["capped"]:
                lines.append(_to_line({**row, "detail": detail}))
    for lines in found.values():
        lines.sort(key=lambda line: line["place"] or 0)
        lines[:] = lines or [_CAPPED_LINE]
    return found


def _tabulate(
    model: RetentionModel, encoded: Encoded, probability: np.ndarray[Any, Any], lists: Lists
) -> pa.Table:
    """Return the slates as a table, a row for each position."""
    problems = encoded.reasons()
    broken: dict[str, Any] = {"reason": "not scored"}
    lines = [(row, line) for row in range(len(probability)) for line in lists.get(row, [broken])]
    rows = [row for row, _ in lines]
    at = pa.array(rows, pa.int64())
    ids = arrow_ids(encoded.entity)
    shown = {
        name: pa.array([line.get(name) for _, line in lines], kind) for name, kind in _SHOWN.items()
    }
    return pa.table(
        {
            model.contract.entity.name: ids.take(at),
            "churn_probability": pa.array(probability[rows], from_pandas=True),
            **shown,
            "problem": pa.array([problems.get(row) for row in rows], pa.string()),
        }
    )


def _totals(model: RetentionModel, encoded: Encoded, lists: Lists, before: int) -> RankReport:
    shown = [[line["action"] for line in lines if line.get("action")] for lines in lists.values()]
    options = tuple(
        {
            "option": name,
            "shown": sum(name in one for one in shown),
            "first": sum(bool(one) and one[0] == name for one in shown),
        }
        for name in model.ranker.ranking.names
    )
    count = len(encoded.matrix)
    return RankReport(
        count, count - int(encoded.valid.sum()), sum(map(bool, shown)), options, before
    )
