"""``churnkit journal``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ProjectJournal, open_registry
from churnkit.cli.output import print_json, print_next, print_status, print_table
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from churnkit.journal import PruneResult

__all__ = ["journal"]

_DATE = ["%Y-%m-%d"]
_MAX_DAYS = 36_500.0

journal: typer.Typer = typer.Typer(
    help="Delete old decisions and outcomes from the journal.", no_args_is_help=True
)


@journal.callback()
def _root() -> None:
    """Group of commands on the journal."""


@journal.command()
def prune(
    before: Annotated[
        datetime | None,
        typer.Option(formats=_DATE, help="Delete entries before this day (UTC)."),
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option(min=0.0, max=_MAX_DAYS, help="Delete entries older than this number of days."),
    ] = None,
    outcome_days: Annotated[
        float,
        typer.Option(
            min=0.0, max=_MAX_DAYS, help="Days after a decision in which an outcome counts."
        ),
    ] = 90.0,
    contact_days: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=_MAX_DAYS,
            help="Longest window of contact limits, cool-downs and suppressions. Default: that of the "
            "registered models.",
        ),
    ] = None,
    experiments_since: Annotated[
        datetime | None,
        typer.Option(
            formats=_DATE,
            help="First day of the running experiments; decisions before it are deleted too. "
            "Default: all decisions of policies with a holdout are kept.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the rows to delete and change nothing.")
    ] = False,
    url: ProjectJournal = None,
    as_json: AsJson = False,
) -> None:
    """Delete entries older than a day, except those that limits, outcomes, experiments or deliveries need."""
    from churnkit.journal import Journal, Retention

    if (before is None) == (keep_days is None):
        raise ChurnkitError("name what to delete: pass either --before DAY or --keep-days NUMBER")
    now = datetime.now(UTC)
    first = before if before is not None else now - timedelta(days=keep_days or 0.0)
    with Journal.open(url) as opened:
        retention = Retention.from_days(
            first,
            now=now,
            outcome_days=outcome_days,
            contact_days=(
                _contact_days(opened.policies()) if contact_days is None else contact_days
            ),
            experiments_since=experiments_since,
        )
        result = opened.prune(retention, dry_run=dry_run)
    if as_json:
        print_json(result.to_dict())
    else:
        _print_result(result)
    if dry_run:
        print_next("the same command without --dry-run")


def _contact_days(policies: list[str]) -> float:
    """Return the longest contact window of the registered models of these policies."""
    from churnkit.bundle import RetentionModel

    if not policies:
        return 0.0
    days = 0.0
    with open_registry() as registry:
        unknown = sorted(set(policies) - set(registry.models()))
        if unknown:
            raise ChurnkitError(
                f"{len(unknown)} of {len(policies)} policies in the journal have no registered model "
                f"({', '.join(unknown[:5])}): state the longest window of their contact limits with "
                "--contact-days"
            )
        for name in policies:
            versions = registry.versions(name)
            # Without an alias, any version may be in use.
            for version in [version for version in versions if version.aliases] or versions:
                rules = RetentionModel.load(registry.bundle(version)).contents.rules
                days = max(days, 0.0 if rules is None else rules.contact.days)
    return days


def _print_result(result: PruneResult) -> None:
    print_table(
        "Would be deleted" if result.dry_run else "Deleted",
        ("Entries", "Rows"),
        [
            (name, f"{count:,}")
            for name, count in (
                ("decisions", result.decisions),
                ("reviews of decisions", result.reviews),
                ("outcomes", result.outcomes),
                ("deliveries", result.deliveries),
            )
        ],
    )
    if result.kept:
        print_table(
            "Decisions before the day that are kept",
            ("Needed by", "Decisions"),
            [(reason, f"{count:,}") for reason, count in result.kept.items()],
        )
    oldest = "" if result.oldest is None else f", the oldest decision of {result.oldest:%Y-%m-%d}"
    print_status(
        f"{result.remaining_decisions:,} decisions and reviews and "
        f"{result.remaining_outcomes:,} outcomes are left{oldest}"
    )
    if "running experiments" in result.kept:
        print_status(
            "decisions of policies with a holdout are kept as a whole: with --experiments-since DAY "
            "those before an experiment's first day are deleted"
        )
