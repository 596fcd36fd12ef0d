"""``churnkit evaluate``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.customer_input import CustomerInput
from churnkit.cli.options import (
    AsJson,
    AsOf,
    ModelName,
    ProjectJournal,
    RawTables,
    load_model,
)
from churnkit.cli.output import print_json, print_next, print_result, print_status, print_table
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from churnkit.evaluation import ExperimentReport
    from churnkit.journal import Journal
    from churnkit.pipeline.evaluation.evaluate import JournalQuery

__all__ = ["evaluate"]


def evaluate(
    customers: Annotated[
        str | None,
        typer.Argument(
            help="A file with one row per customer and the label, to evaluate the model on; with "
            "--as-of a folder of raw tables in which the outcome is known."
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Candidate policy to evaluate from the journal: a table of customers and actions "
            "(as churnkit plan writes it), always:ACTION, or none."
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(help="Kind of outcome in the journal: stayed, churned, spend, ..."),
    ] = None,
    horizon_days: Annotated[
        float, typer.Option(min=0.0, help="Days after a decision in which an outcome counts.")
    ] = 90.0,
    until: Annotated[
        datetime | None,
        typer.Option(help="Date up to which outcomes are complete. Default: the latest outcome."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only decisions from this date on.")
    ] = None,
    running: Annotated[
        str | None, typer.Option(help="Only decisions of this policy. Default: all.")
    ] = None,
    covariate: Annotated[
        str | None,
        typer.Option(
            help="FILE:COLUMN, a number per customer from before the experiment, such as last "
            "year's spend; it reduces variance (CUPED)."
        ),
    ] = None,
    min_detectable_effect: Annotated[
        float | None,
        typer.Option(help="Smallest effect to detect; prints the sample size and duration."),
    ] = None,
    per_day: Annotated[
        float | None,
        typer.Option(min=0.0, help="Decisions per day, for --min-detectable-effect."),
    ] = None,
    journal: ProjectJournal = None,
    model: ModelName = None,
    level: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="Seed of folds and resamples.")] = 0,
    tables: RawTables = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model on labeled data, or experiments and policies from the journal."""
    if customers is not None or tables or as_of is not None:
        if policy is not None or outcome is not None:
            raise ChurnkitError(
                "a labeled table evaluates a model, --policy and --outcome evaluate the journal: "
                "give one of the two"
            )
        source = CustomerInput(customers, None, tables, as_of)
        _evaluate_model(source, model, seed=seed, as_json=as_json)
        return
    if outcome is None:
        raise ChurnkitError(
            "nothing to evaluate: name a labeled table for the model, or --outcome KIND for the "
            "journal (with --policy to compare another policy with the running one)"
        )
    from churnkit.journal import Journal
    from churnkit.pipeline.evaluation.evaluate import JournalQuery

    query = JournalQuery(outcome, horizon_days, _utc(until), _utc(since), running, level, seed)
    with Journal.open(journal) as opened:
        if policy is not None:
            _evaluate_policy(opened, query, policy, as_json=as_json)
            return
        _evaluate_experiment(
            opened,
            query,
            covariate=covariate,
            min_detectable_effect=min_detectable_effect,
            per_day=per_day,
            as_json=as_json,
        )


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)


def _evaluate_model(source: CustomerInput, model: str | None, *, seed: int, as_json: bool) -> None:
    from churnkit.batch.jobs.customer_table import customer_batches
    from churnkit.evaluation import METRICS, EvaluationError
    from churnkit.pipeline.evaluation.evaluate import score_labeled

    opened = source.open()
    loaded = load_model(model)
    label = loaded.contract.label
    with source.rows(opened, loaded, labeled=True) as given:
        batches = customer_batches(given, loaded.contract, labeled=True)
        if source.as_of is not None and label is not None:
            # Without customers to whom the label does not apply.
            batches = (batch.filter(batch[label.name].is_valid()) for batch in batches)
        scores = score_labeled(loaded, batches, name=source.name)
    result = scores.evaluate(name=source.name, seed=seed)
    refitted = loaded.contents.evaluation is not None
    seen = 0
    if scores.held_out is not None:
        seen = len(scores.held_out) if refitted else int((~scores.held_out).sum())
    print_result(
        {
            "model": loaded.name,
            "digest": loaded.digest,
            "possible_training_customers": seen,
            **result.to_dict(),
        },
        f"{loaded.name} on {_rows(result.rows, scores.count())}, {result.churners:,} churned (95% "
        "intervals)",
        ("Metric", "Value"),
        [(METRICS[name].title, value) for name, value in result.metrics.items()],
        as_json=as_json,
    )
    if loaded.contract.entity.numbered:
        print_status(
            "rows have numbers instead of ids: if the model was trained on these customers, the "
            "metrics are optimistic"
        )
    elif seen:
        reason = (
            "the model was fitted on all customers of its training table"
            if refitted
            else f"{seen:,} of {len(scores.label):,} customers are on the training side of its split"
        )
        print_status(
            f"WARNING: {reason}; if these customers were in that table, these metrics are optimistic"
        )
        try:
            fair = scores.evaluate(name=source.name, seed=seed, held_out=True)
            fitted_without = " of the model fitted without them" if refitted else ""
            print_status(
                f"on the {_rows(fair.rows, scores.count(held_out=True), 'held-out ')} the AUC{fitted_without} is "
                f"{fair.metrics['auc']}"
            )
        except EvaluationError:
            print_status("no held-out customers of both classes are in this table")
    print_next(f"churnkit plan {source} --model {loaded.name} -o plan.parquet")


def _rows(rows: int, customers: int, kind: str = "") -> str:
    if rows == customers:
        return f"{rows:,} {kind}customers"
    return f"{rows:,} rows of {customers:,} {kind}customers"


def _evaluate_experiment(
    journal: Journal,
    query: JournalQuery,
    *,
    covariate: str | None,
    min_detectable_effect: float | None,
    per_day: float | None,
    as_json: bool,
) -> None:
    from churnkit.pipeline.evaluation.evaluate import (
        evaluate_experiment,
        plan_next_experiment,
        read_covariate,
    )

    report = evaluate_experiment(
        journal, query, covariate=None if covariate is None else read_covariate(covariate)
    )
    plan = None
    if min_detectable_effect is not None:
        plan = plan_next_experiment(
            report,
            effect=min_detectable_effect,
            per_day=per_day,
            horizon_days=query.horizon_days,
        )
    if as_json:
        print_json(report.to_dict() | ({} if plan is None else {"plan": plan.to_dict()}))
    else:
        _print_experiment(report, query)
    if plan is not None:
        print_status(str(plan))
    for name, reason in report.unread.items():
        print_status(f"holdout '{name}': {reason}")
    if report.immature:
        print_status(f"{report.immature:,} customers were decided on less than a horizon ago")
    print_next(
        f"churnkit evaluate --policy plan.parquet --outcome {query.outcome} --horizon-days "
        f"{query.horizon_days:g}"
    )


def _print_experiment(report: ExperimentReport, query: JournalQuery) -> None:
    sign = "; sign reversed, as lower is better" if query.lower_is_better else ""
    print_table(
        f"Effect on '{report.outcome}', {report.customers:,} customers "
        f"({query.level:.0%} intervals{sign})",
        ("Holdout", "Treated", "Control", "Effect", "Anytime-valid interval", "Verdict"),
        [
            (
                name,
                f"{readout.treated:,}",
                f"{readout.control:,}",
                f"{readout.best:+.4f}",
                f"{readout.always_valid:+.4f}",
                readout.verdict,
            )
            for name, readout in report.readouts.items()
        ],
    )
    if report.overrides:
        print_table(
            "Reviews of recommendations",
            ("Action", "Recommended", "Approved", "Rejected", "Snoozed", "Reasons"),
            [
                (
                    review.action,
                    f"{review.recommended:,}",
                    f"{review.approved:,}",
                    f"{review.rejected:,}",
                    f"{review.snoozed:,}",
                    "; ".join(f"{text} ({count})" for text, count in review.reasons),
                )
                for review in report.overrides
            ],
        )


def _evaluate_policy(journal: Journal, query: JournalQuery, policy: str, *, as_json: bool) -> None:
    from churnkit.pipeline.evaluation.candidate_policy import read_policy
    from churnkit.pipeline.evaluation.evaluate import evaluate_policy

    evaluation = evaluate_policy(journal, query, read_policy(policy))
    replacement = evaluation.replacement
    rows = [(name, f"{value:+.4f}") for name, value in replacement.new.estimates.items()]
    rows += [
        ("running policy", f"{replacement.old:+.4f}"),
        ("gain", f"{replacement.gain:+.4f}"),
    ]
    print_result(
        evaluation.to_dict(),
        f"'{query.outcome}' per decision, from {evaluation.decisions:,} decisions (effective "
        f"sample size {replacement.new.overlap.effective_rows:,.0f})",
        ("Estimate", f"Value ({query.level:.0%} interval)"),
        rows,
        as_json=as_json,
    )
    if evaluation.without_propensity + evaluation.unknown + evaluation.immature:
        print_status(
            f"left out: {evaluation.without_propensity:,} decisions without a propensity, "
            f"{evaluation.unknown:,} for customers the policy does not cover, "
            f"{evaluation.immature:,} younger than the horizon"
        )
    print_status(str(replacement))
