"""``churnkit evaluate``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, OwnJournal, load_model
from churnkit.cli.output import print_json, print_next, print_table, say
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from churnkit.evaluation import ExperimentReport
    from churnkit.journal import Journal
    from churnkit.pipeline.evaluation.evaluate import JournalQuestion, PolicyAnswer

__all__ = ["evaluate"]


def evaluate(
    customers: Annotated[
        Path | None,
        typer.Argument(help="A .csv or .parquet file with the label: measures the model on it."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="May it replace the running policy: a table of customers and actions (as plan "
            "writes it), always:ACTION, or none; judged from the journal."
        ),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(help="What counts in the journal: stayed, churned, spend, ..."),
    ] = None,
    horizon_days: Annotated[
        float, typer.Option(min=0.0, help="How long after a decision an outcome counts.")
    ] = 90.0,
    until: Annotated[
        datetime | None,
        typer.Option(help="When the journal was complete; default: its latest observation."),
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Only decisions from then on.")] = None,
    running: Annotated[
        str | None, typer.Option(help="Only decisions of this policy; default: all.")
    ] = None,
    covariate: Annotated[
        str | None,
        typer.Option(
            help="FILE:COLUMN, a number per customer from before the experiment, such as last "
            "year's spend, to reduce variance (CUPED)."
        ),
    ] = None,
    min_detectable_effect: Annotated[
        float | None,
        typer.Option(help="Smallest effect to detect: prints the customers and days needed."),
    ] = None,
    per_day: Annotated[
        float | None,
        typer.Option(min=0.0, help="For --min-detectable-effect: customers decided on per day."),
    ] = None,
    journal: OwnJournal = None,
    model: ModelName = None,
    level: Annotated[float, typer.Option(help="Confidence of the intervals.")] = 0.95,
    seed: Annotated[int, typer.Option(help="For folds and resamples.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure a model on a labelled table; or ask the journal what worked, and what would."""
    if customers is not None:
        if policy is not None or outcome is not None:
            raise ChurnkitError(
                "a labelled table measures a model; --policy and --outcome ask the journal: give "
                "one of the two"
            )
        _measure(customers, model, seed=seed, as_json=as_json)
        return
    if outcome is None:
        raise ChurnkitError(
            "say what to evaluate: a labelled table for the model, or --outcome KIND (with "
            "--policy, whether another policy may replace the running one) for the journal"
        )
    from churnkit.journal import Journal
    from churnkit.pipeline.evaluation.evaluate import JournalQuestion

    question = JournalQuestion(
        outcome, horizon_days, _utc(until), _utc(since), running, level, seed
    )
    with Journal.open(journal) as opened:
        if policy is None:
            _experiment(
                opened,
                question,
                covariate=covariate,
                effect=min_detectable_effect,
                per_day=per_day,
                as_json=as_json,
            )
        else:
            _replacement(opened, question, policy, as_json=as_json)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)


def _measure(customers: Path, model: str | None, *, seed: int, as_json: bool) -> None:
    from churnkit.core.io.table_file import read_table
    from churnkit.evaluation import METRICS
    from churnkit.pipeline.evaluation.evaluate import evaluate_model

    loaded = load_model(model)
    found = evaluate_model(loaded, read_table(customers), name=customers.name, seed=seed)
    if as_json:
        print_json({"model": loaded.name, "digest": loaded.digest, **found.to_dict()})
    else:
        print_table(
            f"{loaded.name} on {found.rows:,} customers, {found.churners:,} of whom left (95 % "
            "intervals)",
            ("metric", "value"),
            [(METRICS[name].title, figure) for name, figure in found.metrics.items()],
        )
    print_next(f"churnkit plan {customers} --model {loaded.name} -o plan.parquet")


def _experiment(
    journal: Journal,
    question: JournalQuestion,
    *,
    covariate: str | None,
    effect: float | None,
    per_day: float | None,
    as_json: bool,
) -> None:
    from churnkit.pipeline.evaluation.evaluate import evaluate_experiment, plan_next, read_covariate

    values = None if covariate is None else read_covariate(covariate)
    found = evaluate_experiment(journal, question, covariate=values)
    planned = None
    if effect is not None:
        planned = plan_next(
            found, effect=effect, per_day=per_day, horizon_days=question.horizon_days
        )
    if as_json:
        print_json(found.to_dict() | ({} if planned is None else {"plan": planned.to_dict()}))
    else:
        _print_experiment(found, question)
        _print_overrides(found)
    if planned is not None:
        say(str(planned))
    for name, why in found.unread.items():
        say(f"holdout '{name}': {why}")
    if found.immature:
        say(f"{found.immature:,} customers were decided on less than a horizon ago")
    print_next(
        f"churnkit evaluate --policy plan.parquet --outcome {question.outcome} --horizon-days "
        f"{question.horizon_days:g}"
    )


def _print_experiment(found: ExperimentReport, question: JournalQuestion) -> None:
    turned = ", less is better: the effect is turned round" if question.lower_is_better else ""
    print_table(
        f"effect on '{found.outcome}' of {found.customers:,} customers{turned} "
        f"({question.level:.0%} intervals)",
        ("holdout", "treated", "held out", "effect", "for daily looks", "verdict"),
        [
            (
                name,
                f"{each.treated:,}",
                f"{each.control:,}",
                f"{each.best:+.4f}",
                f"{each.always_valid:+.4f}",
                each.verdict,
            )
            for name, each in found.readouts.items()
        ],
    )


def _print_overrides(found: ExperimentReport) -> None:
    if not found.overrides:
        return
    print_table(
        "what people said of recommendations",
        ("action", "recommended", "approved", "rejected", "snoozed", "reasons"),
        [
            (
                each.action,
                f"{each.recommended:,}",
                f"{each.approved:,}",
                f"{each.rejected:,}",
                f"{each.snoozed:,}",
                "; ".join(f"{text} ({count})" for text, count in each.reasons),
            )
            for each in found.overrides
        ],
    )


def _replacement(
    journal: Journal, question: JournalQuestion, policy: str, *, as_json: bool
) -> None:
    from churnkit.pipeline.evaluation.candidate_policy import read_policy
    from churnkit.pipeline.evaluation.evaluate import evaluate_replacement

    answer = evaluate_replacement(journal, question, read_policy(policy))
    if as_json:
        print_json(answer.to_dict())
    else:
        _print_replacement(answer, question)
    left_out = answer.without_propensity + answer.unknown + answer.immature
    if left_out:
        say(
            f"left out: {answer.without_propensity:,} decisions without a propensity, "
            f"{answer.unknown:,} for customers whom the policy does not know, {answer.immature:,} "
            "younger than the horizon"
        )
    say(str(answer.replacement))


def _print_replacement(answer: PolicyAnswer, question: JournalQuestion) -> None:
    found = answer.replacement
    rows = [(name, f"{value:+.4f}") for name, value in found.new.estimates.items()]
    rows += [("the running policy", f"{found.old:+.4f}"), ("gain", f"{found.gain:+.4f}")]
    print_table(
        f"'{question.outcome}' a decision, from {answer.decisions:,} decisions that tell as much "
        f"as {found.new.overlap.effective_rows:,.0f} of the new policy's own",
        ("estimate", f"value ({question.level:.0%} interval)"),
        rows,
    )
