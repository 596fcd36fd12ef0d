"""Was it right, did it work, may another replace it: what `churnkit evaluate` runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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
from churnkit.pipeline.evaluation.candidate_policy import NONE, OtherPolicy
from churnkit.pipeline.evaluation.logged_features import (
    logged_features,
    logged_places,
    read_details,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pyarrow as pa

    from churnkit.bundle import RetentionModel
    from churnkit.evaluation import Evaluation, ExperimentPlan, ExperimentReport, Replacement
    from churnkit.journal import Journal

__all__ = [
    "LOWER_IS_BETTER",
    "JournalQuestion",
    "PolicyAnswer",
    "evaluate_experiment",
    "evaluate_model",
    "evaluate_replacement",
    "plan_next",
    "read_covariate",
]

LOWER_IS_BETTER = frozenset({"churned", "refused", "unsubscribed", "complained"})
"""Outcomes of which less is better."""
_FEWEST = 100


@dataclass(frozen=True, slots=True)
class JournalQuestion:
    """Which outcomes of which decisions count.

    Parameters
    ----------
    outcome
        The kind of the outcome: ``"stayed"``, ``"churned"``, ``"spend"``.
    horizon_days
        How long after a decision it counts.
    until
        When the journal was complete; the latest observation if not given.
    since
        Only decisions from then on.
    policy
        Only decisions of this policy.
    level
        Confidence of the intervals.
    seed
        For folds and resamples.
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
        """Whether less of the outcome is better."""
        return self.outcome in LOWER_IS_BETTER


@dataclass(frozen=True)
class PolicyAnswer:
    """May the other policy replace the running one, and from what that was told.

    Attributes
    ----------
    replacement
        The verdict, in rewards: an outcome of which less is better counts with a minus.
    decisions
        How many logged decisions it rests on.
    without_propensity, unknown, immature
        How many were left out: without a propensity (a person's, or capped), for customers the
        other policy does not know, and too young.
    arms
        The actions, and ``none``.
    """

    replacement: Replacement
    decisions: int
    without_propensity: int
    unknown: int
    immature: int
    arms: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able values."""
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


def evaluate_model(
    model: RetentionModel, table: pa.Table, *, name: str, seed: int = 0
) -> Evaluation:
    """Measure a model on customers whose label is known.

    Parameters
    ----------
    model
        A loaded bundle.
    table
        Customers with the label's column.
    name
        What to call the table in a message.
    seed
        For the intervals.

    Raises
    ------
    DataError
        If the label or a feature is missing.
    EvaluationError
        If no row can be scored, or all left or all stayed.
    """
    from churnkit.contracts.validation.labels import encode_label

    label, findings = encode_label(model.contract, table, name=name)
    unread = {int(at) for finding in findings for at in np.asarray(finding.positions).tolist()}
    known = np.array([at not in unread for at in range(table.num_rows)], dtype=bool)
    encoded = model.encode(table)
    probability = model.probabilities(encoded)
    rows = np.flatnonzero(known & ~np.isnan(probability))
    if not len(rows):
        raise EvaluationError(
            f"{name}: no row has a label and meets the contract; see: churnkit validate"
        )
    return evaluate(label[rows], probability[rows], seed=seed)


def evaluate_experiment(
    journal: Journal,
    question: JournalQuestion,
    *,
    shares: Mapping[str, float] | None = None,
    covariate: Mapping[str, float] | None = None,
) -> ExperimentReport:
    """Read from the journal what the policy did for customers, against those held out.

    Parameters
    ----------
    journal
        With decisions and outcomes.
    question
        What counts.
    shares
        Held out by design, as the catalogue says, for the sample-ratio check.
    covariate
        A number per customer from before the experiment, from `read_covariate`, to reduce variance.

    Raises
    ------
    EvaluationError
        If the journal cannot tell; the message says what is missing.
    """
    return experiment_report(
        journal.decisions(since=question.since, policy=question.policy),
        journal.outcomes(),
        kind=question.outcome,
        horizon_days=question.horizon_days,
        until=question.until,
        shares=shares,
        covariate=covariate,
        lower_is_better=question.lower_is_better,
        level=question.level,
    )


def read_covariate(said: str) -> dict[str, float]:
    """Read what was known of each customer before the experiment.

    Parameters
    ----------
    said
        ``FILE:COLUMN``: a .csv or .parquet file with a row a customer, the customer first, and
        its column of numbers.

    Raises
    ------
    ChurnkitError
        If there is no such file or column, it holds no numbers, or a customer stands twice.
    """
    from churnkit.core.io.table_file import read_table

    file, _, column = said.rpartition(":")
    if not file or not column:
        raise ChurnkitError(f"--covariate {said}: write it as FILE:COLUMN, customers.parquet:spend")
    table = read_table(Path(file))
    if column not in table.column_names[1:]:
        raise ChurnkitError(f"{file} has no column '{column}' beside the customer, its first one")
    customers = [str(name) for name in table.column(0).to_pylist()]
    if len(set(customers)) < len(customers):
        twice = len(customers) - len(set(customers))
        raise ChurnkitError(f"{file}: {twice} customers stand in several rows: keep one of each")
    try:
        numbers = np.array(table[column].cast("float64"), dtype=np.float64)
    except (TypeError, ValueError):
        raise ChurnkitError(f"{file}: column '{column}' holds what is no number") from None
    return dict(zip(customers, numbers.tolist(), strict=True))


def plan_next(
    report: ExperimentReport, *, effect: float, per_day: float | None, horizon_days: float
) -> ExperimentPlan:
    """Say how many customers show an effect, from what an experiment has shown of their spread.

    Parameters
    ----------
    report
        Of the experiment that runs.
    effect
        The least difference that is worth knowing, in the outcome's unit.
    per_day
        How many customers are decided on in a day; None if that is not known.
    horizon_days
        How long after its decision an outcome is known.

    Raises
    ------
    EvaluationError
        If no readout tells the customers' spread.
    """
    if not report.readouts:
        raise EvaluationError("no holdout can be read yet, so the customers' spread is not known")
    found = next(iter(report.readouts.values()))
    return plan_experiment(
        effect,
        spread=found.spread,
        share=found.treated / (found.treated + found.control),
        customers_per_day=per_day,
        outcome_days=math.ceil(horizon_days),
        variance_removed=found.variance_removed or 0.0,
    )


def evaluate_replacement(
    journal: Journal, question: JournalQuestion, other: OtherPolicy
) -> PolicyAnswer:
    """Judge from the journal whether another policy may replace the running one.

    Decisions of a ranking bring what was known of their customers, which the reward models learn
    from, and their place in a list: the value is then that of a shown place.

    Parameters
    ----------
    journal
        With decisions, their propensities, and outcomes.
    question
        What counts.
    other
        What it would have done.

    Raises
    ------
    EvaluationError
        If the journal has no decisions, no propensities, or too few that can be compared.
    """
    import pyarrow.compute as pc

    decided = journal.decisions(since=question.since, policy=question.policy)
    total = decided.filter(pc.equal(decided["verdict"], "decide")).num_rows
    ripe, value = outcomes_of_decisions(
        decided,
        journal.outcomes(),
        kind=question.outcome,
        horizon_days=question.horizon_days,
        until=question.until,
    )
    logged = np.asarray(pc.is_valid(ripe["propensity"]).to_numpy(zero_copy_only=False), dtype=bool)
    if ripe.num_rows and not logged.any():
        raise EvaluationError(
            f"none of {ripe.num_rows} decisions has a propensity: let the catalogue explore "
            "(exploration), and record what it decides; without chance no policy can be judged "
            "from another's log"
        )
    customers = ripe["customer"].to_pylist()
    known = np.array([other.knows(customer) for customer in customers], dtype=bool)
    rows = np.flatnonzero(logged & known)
    if len(rows) < _FEWEST:
        raise EvaluationError(
            f"{len(rows)} of {total} decisions can be compared, and {_FEWEST} are the least: "
            f"{total - ripe.num_rows} are younger than the horizon, {int((~logged).sum())} have no "
            f"propensity, {int((~known).sum())} are for customers whom the other policy does not "
            "know"
        )
    chosen = ripe.take(rows)
    taken = [NONE if action is None else action for action in chosen["action"].to_pylist()]
    arms = (*sorted({*taken, *other.actions} - {NONE}), NONE)
    place = {arm: at for at, arm in enumerate(arms)}
    reward = -value[rows] if question.lower_is_better else value[rows]
    details = read_details(chosen["detail"].to_pylist())
    places = logged_places(details)
    log = PolicyLog.from_columns(
        [place[action] for action in taken],
        chosen["propensity"].to_numpy(),
        reward,
        features=logged_features(details),
        arms=len(arms),
        position=places,
        customer=np.asarray(chosen["customer"].to_pylist()),
    )
    verdict = may_replace(
        log,
        other.over(chosen["customer"].to_pylist(), arms, places),
        level=question.level,
        seed=question.seed,
    )
    return PolicyAnswer(
        verdict,
        decisions=len(rows),
        without_propensity=int((~logged).sum()),
        unknown=int((logged & ~known).sum()),
        immature=total - ripe.num_rows,
        arms=arms,
    )
