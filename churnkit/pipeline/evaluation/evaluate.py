"""Evaluate a model on labeled customers, or experiments and policies from the journal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.io.table_sources import read_table
from churnkit.errors import ChurnkitError
from churnkit.evaluation import (
    EvaluationError,
    PolicyLog,
    evaluate,
    experiment_report,
    may_replace,
    plan_experiment,
)
from churnkit.evaluation.experiments.outcomes import outcomes_of_decisions
from churnkit.pipeline.evaluation.candidate_policy import NONE, CandidatePolicy, read_customers
from churnkit.pipeline.evaluation.logged_features import (
    logged_features,
    logged_positions,
    read_details,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.bundle import RetentionModel
    from churnkit.evaluation import Evaluation, ExperimentPlan, ExperimentReport, Replacement
    from churnkit.journal import Journal

__all__ = [
    "LOWER_IS_BETTER",
    "JournalQuery",
    "LabeledScores",
    "PolicyEvaluation",
    "evaluate_experiment",
    "evaluate_model",
    "evaluate_policy",
    "plan_next_experiment",
    "read_covariate",
    "score_labeled",
]

LOWER_IS_BETTER = frozenset({"churned", "refused", "unsubscribed", "complained"})
"""Kinds of outcomes that a good policy lowers."""
_MIN_DECISIONS = 100
_REVIEWS = ("approve", "reject", "snooze")
_OUTCOME_COLUMNS = ("decision", "customer", "kind", "value", "observed_at")
_DECISION_COLUMNS = ("key", "customer", "decided_at", "action", "propensity", "detail")


@dataclass(frozen=True, slots=True)
class JournalQuery:
    """Selection of decisions and outcomes from the journal.

    Parameters
    ----------
    outcome
        Kind of outcome: ``"stayed"``, ``"churned"``, ``"spend"``.
    horizon_days
        Days after a decision in which an outcome counts.
    until
        Time up to which outcomes are complete. Default: the latest observation.
    since
        Time of the earliest decision.
    policy
        Name of the policy whose decisions are selected.
    level
        Confidence level of the intervals.
    seed
        Seed of folds and resamples.
    """

    outcome: str
    horizon_days: float
    until: datetime | None = None
    since: datetime | None = None
    policy: str | None = None
    level: float = 0.95
    seed: int = 0

    @property
    def lower_is_better(self) -> bool:
        """True if a good policy lowers the outcome."""
        return self.outcome in LOWER_IS_BETTER


@dataclass(frozen=True)
class PolicyEvaluation:
    """Off-policy comparison of a candidate policy with the running one.

    Parameters
    ----------
    replacement
        Estimates and verdict; the sign of an outcome that is better when lower is reversed.
    decisions
        Number of logged decisions used.
    without_propensity, unknown, immature
        Numbers of decisions left out: without a propensity, for customers that the candidate
        does not cover, and younger than the horizon.
    arms
        Actions, and `NONE`.
    """

    replacement: Replacement
    decisions: int
    without_propensity: int
    unknown: int
    immature: int
    arms: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-compatible data."""
        return {
            **self.replacement.to_dict(),
            "decisions": self.decisions,
            "left_out": {
                "without_propensity": self.without_propensity,
                "unknown_customer": self.unknown,
                "immature": self.immature,
            },
            "arms": list(self.arms),
        }


@dataclass(frozen=True)
class LabeledScores:
    """Labels and probabilities of n customers.

    Parameters
    ----------
    label
        1 for customers who churned, shape (n,).
    probability
        Shape (n,); missing for rows that violate the contract.
    labeled
        Rows with a label, shape (n,).
    held_out
        Customers that the tested model was fitted without, shape (n,). Its metrics on the others
        are optimistic if they were in the training table, and so are those of a model that was
        refitted on all customers. None if the bundle does not record its split, or rows have
        numbers instead of ids.
    tested
        Probabilities of the tested model for the held-out customers, shape (n,); `probability`
        if the model was not refitted.
    customers
        Id of each row's customer, shape (n,); None if rows have numbers instead of ids.
    """

    label: NDArray[np.int8]
    probability: NDArray[np.float64]
    labeled: NDArray[np.bool_]
    held_out: NDArray[np.bool_] | None
    tested: NDArray[np.float64]
    customers: NDArray[np.str_] | None = None

    def count(self, *, held_out: bool = False) -> int:
        """Return the number of customers that `evaluate` counts."""
        usable = self._usable(held_out=held_out)
        return int(usable.sum() if self.customers is None else len(set(self.customers[usable])))

    def _usable(self, *, held_out: bool) -> NDArray[np.bool_]:
        probability = self.tested if held_out else self.probability
        usable = self.labeled & ~np.isnan(probability)
        return usable & self.held_out if held_out and self.held_out is not None else usable

    def evaluate(self, *, name: str, seed: int = 0, held_out: bool = False) -> Evaluation:
        """Evaluate the model on all customers, or the tested model on the held-out ones.

        Intervals are over customers, who may have several rows, such as one per date.

        Raises
        ------
        EvaluationError
            If no row can be evaluated, or all rows have the same label.
        """
        probability = self.tested if held_out else self.probability
        usable = self._usable(held_out=held_out)
        if not usable.any():
            raise EvaluationError(
                f"{name}: no row has a label and fits the contract; run churnkit validate"
            )
        customers = None if self.customers is None else self.customers[usable]
        return evaluate(self.label[usable], probability[usable], customers=customers, seed=seed)


def score_labeled(
    model: RetentionModel, batches: Iterable[pa.Table], *, name: str
) -> LabeledScores:
    """Score labeled customers batch by batch.

    Raises
    ------
    DataError
        If the label or a feature is missing.
    """
    tested = model.tested() if model.contents.evaluation is not None else None
    parts = [_score_batch(model, tested, batch, name) for batch in batches]
    sides = [part.held_out for part in parts if part.held_out is not None]
    ids = [part.customers for part in parts if part.customers is not None]
    return LabeledScores(
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.labeled for part in parts]),
        np.concatenate(sides) if sides else None,
        np.concatenate([part.tested for part in parts]),
        np.concatenate(ids) if ids else None,
    )


def _score_batch(
    model: RetentionModel, tested: RetentionModel | None, batch: pa.Table, name: str
) -> LabeledScores:
    import pyarrow as pa

    from churnkit.contracts.validation.labels import encode_label
    from churnkit.pipeline.training.data.dataset import customer_ids

    label, findings = encode_label(model.contract, batch, name=name)
    labeled = np.ones(batch.num_rows, dtype=bool)
    for finding in findings:
        labeled[np.asarray(finding.positions, dtype=np.intp)] = False
    probability = model.probabilities(model.encode(batch))
    entity, customers = model.contract.entity, None
    if not entity.numbered and entity.name in batch.column_names:
        customers = np.array(customer_ids(batch, entity.name), dtype=np.str_)
    held_out = _held_out_rows(model, batch)
    by_tested = probability
    if tested is not None and held_out is not None:
        rows = batch.filter(pa.array(held_out))
        by_tested = np.full(batch.num_rows, np.nan)
        by_tested[held_out] = tested.probabilities(tested.encode(rows))
    return LabeledScores(label, probability, labeled, held_out, by_tested, customers)


def _held_out_rows(model: RetentionModel, table: pa.Table) -> NDArray[np.bool_] | None:
    from churnkit.pipeline.training.data.holdout_split import Split

    split = {} if model.manifest is None else model.manifest.lineage.get("split", {})
    entity = model.contract.entity
    # The numbers of another table's rows are other customers.
    if not split or entity.numbered or entity.name not in table.column_names:
        return None
    return Split(test=split["test"], salt=split["salt"]).is_test(table[entity.name].to_pylist())


def evaluate_model(
    model: RetentionModel, table: pa.Table, *, name: str, seed: int = 0
) -> Evaluation:
    """Evaluate a model on labeled customers.

    Raises
    ------
    DataError
        If the label or a feature is missing.
    EvaluationError
        If no row can be scored, or all rows have the same label.
    """
    return score_labeled(model, [table], name=name).evaluate(name=name, seed=seed)


def evaluate_experiment(
    journal: Journal,
    query: JournalQuery,
    *,
    shares: Mapping[str, float] | None = None,
    covariate: Mapping[str, float] | None = None,
) -> ExperimentReport:
    """Estimate the running policy's effect from customers held out by chance.

    Raises
    ------
    EvaluationError
        If the journal lacks decisions, outcomes or a holdout.
    """
    columns: tuple[str, ...] = ("customer", "decided_at", "holdout", "verdict")
    # Reviews are few: the columns that match them with decisions are read only if there are any.
    verdicts = (journal.decisions(verdict=name, columns=("key",)) for name in _REVIEWS)
    if any(table.num_rows for table in verdicts):
        columns = (*columns, "key", "action", "about", "why")
    outcomes, until = _read_outcomes(journal, query)
    return experiment_report(
        journal.decisions(since=query.since, policy=query.policy, columns=columns),
        outcomes,
        kind=query.outcome,
        horizon_days=query.horizon_days,
        until=until,
        shares=shares,
        covariate=covariate,
        lower_is_better=query.lower_is_better,
        level=query.level,
    )


def _read_outcomes(journal: Journal, query: JournalQuery) -> tuple[pa.Table, datetime | None]:
    """Return the outcomes of the kind in question, and the time up to which they are complete."""
    kinds = journal.outcome_kinds()
    # Without any of the kind, the others are named.
    kind = query.outcome if query.outcome in kinds else None
    outcomes = journal.outcomes(kind=kind, columns=_OUTCOME_COLUMNS)
    return outcomes, query.until or max(kinds.values(), default=None)


def read_covariate(source: str) -> dict[str, float]:
    """Read a number per customer from ``FILE:COLUMN``, whose first column is the customer.

    Raises
    ------
    ChurnkitError
        If file or column do not exist, it holds no numbers, or a customer has several rows.
    """
    file, _, column = source.rpartition(":")
    if not file or not column:
        raise ChurnkitError(
            f"--covariate {source}: write it as FILE:COLUMN, such as customers.parquet:spend"
        )
    table = read_table(Path(file))
    if column not in table.column_names[1:]:
        raise ChurnkitError(f"{file} has no column '{column}' after the customer, its first column")
    customers = read_customers(file, table)
    try:
        numbers = np.array(table[column].cast("float64"), dtype=np.float64)
    except (TypeError, ValueError):
        raise ChurnkitError(f"{file}: column '{column}' must hold numbers") from None
    return dict(zip(customers, numbers.tolist(), strict=True))


def plan_next_experiment(
    report: ExperimentReport, *, effect: float, per_day: float | None, horizon_days: float
) -> ExperimentPlan:
    """Plan the sample size for a minimum detectable effect from a running experiment's variance.

    Raises
    ------
    EvaluationError
        If no holdout can be evaluated yet.
    """
    if not report.readouts:
        raise EvaluationError("no holdout can be evaluated yet, so the variance is unknown")
    readout = next(iter(report.readouts.values()))
    return plan_experiment(
        effect,
        spread=readout.spread,
        share=readout.treated / (readout.treated + readout.control),
        customers_per_day=per_day,
        outcome_days=math.ceil(horizon_days),
        variance_removed=readout.variance_removed or 0.0,
    )


def evaluate_policy(
    journal: Journal, query: JournalQuery, candidate: CandidatePolicy
) -> PolicyEvaluation:
    """Compare a candidate policy with the running one, from logged decisions.

    Decisions of a ranking hold the customer's row, which the reward models use, and the position
    in a list; the value is then that of one shown position.

    Raises
    ------
    EvaluationError
        If the journal has no decisions, no propensities, or fewer than 100 comparable decisions.
    """
    import pyarrow.compute as pc

    decisions = journal.decisions(
        since=query.since, policy=query.policy, verdict="decide", columns=_DECISION_COLUMNS
    )
    total = decisions.num_rows
    outcomes, until = _read_outcomes(journal, query)
    mature, value = outcomes_of_decisions(
        decisions,
        outcomes,
        kind=query.outcome,
        horizon_days=query.horizon_days,
        until=until,
    )
    immature = total - mature.num_rows
    logged = np.asarray(
        pc.is_valid(mature["propensity"]).to_numpy(zero_copy_only=False), dtype=bool
    )
    covered = np.array(
        [candidate.covers(customer) for customer in mature["customer"].to_pylist()], dtype=bool
    )
    rows = np.flatnonzero(logged & covered)
    _refuse_few(rows, logged, covered, total)
    chosen = mature.take(rows)
    actions = [NONE if action is None else action for action in chosen["action"].to_pylist()]
    arms = (*sorted({*actions, *candidate.actions} - {NONE}), NONE)
    arm = {name: index for index, name in enumerate(arms)}
    details = read_details(chosen["detail"].to_pylist())
    positions = logged_positions(details)
    customers = chosen["customer"].to_pylist()
    log = PolicyLog.from_columns(
        [arm[action] for action in actions],
        chosen["propensity"].to_numpy(),
        -value[rows] if query.lower_is_better else value[rows],
        features=logged_features(details),
        arms=len(arms),
        position=positions,
        customer=np.asarray(customers),
    )
    return PolicyEvaluation(
        may_replace(
            log,
            candidate.probabilities(customers, arms, positions),
            level=query.level,
            seed=query.seed,
        ),
        decisions=len(rows),
        without_propensity=int((~logged).sum()),
        unknown=int((logged & ~covered).sum()),
        immature=immature,
        arms=arms,
    )


def _refuse_few(
    rows: NDArray[np.intp], logged: NDArray[np.bool_], covered: NDArray[np.bool_], total: int
) -> None:
    if len(logged) and not logged.any():
        raise EvaluationError(
            f"none of {len(logged)} decisions has a propensity: add exploration to the catalogue "
            "and record its decisions; without randomization no other policy can be evaluated"
        )
    if len(rows) < _MIN_DECISIONS:
        raise EvaluationError(
            f"{len(rows)} of {total} decisions can be compared, at least {_MIN_DECISIONS} are "
            f"needed: {total - len(logged)} are younger than the horizon, {int((~logged).sum())} "
            f"have no propensity, {int((~covered).sum())} are for customers that the "
            "candidate policy does not cover"
        )
