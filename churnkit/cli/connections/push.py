"""``churnkit push``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.connections.pull import SourcesFile
from churnkit.cli.options import AsJson, ProjectJournal
from churnkit.cli.output import print_next, print_result, print_status
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from churnkit.connect import PushReport

__all__ = ["print_report", "push"]


def push(
    plan: Annotated[str | None, typer.Argument(help="A plan: the output of churnkit plan.")] = None,
    to: Annotated[str, typer.Option("--to", help="Destination, as declared in sources.py.")] = "",
    customer: Annotated[
        str | None, typer.Option(help="Column of customer ids. Default: the first column.")
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(help="Period of the decisions. Default: the latest decision per customer."),
    ] = None,
    approved: Annotated[
        bool, typer.Option("--approved", help="Send only what a person approved.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most this many.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Send again what an interrupted run may have sent, such as e-mails."
        ),
    ] = False,
    undo: Annotated[
        str | None, typer.Option("--undo", help="Undo what was sent for a period.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be sent; send nothing.")
    ] = False,
    journal: ProjectJournal = None,
    sources: SourcesFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a plan's actions to CRM, help desk, chat, e-mail or webhook, each once.

    Only what the journal lets out is sent: not held out, capped, rejected, snoozed or erased.
    """
    from random import SystemRandom

    from churnkit.connect import Link, SystemClock, Urllib3Transport, load_destinations
    from churnkit.connect import push as run_push
    from churnkit.connect import undo as run_undo
    from churnkit.connect.delivery.selection import select_messages
    from churnkit.core.io.table_sources import read_table
    from churnkit.core.project import find_project
    from churnkit.journal import Journal

    if (plan is None) == (undo is None):
        raise ChurnkitError(
            "pass a plan to send, or --undo PERIOD: churnkit push plan.parquet --to crm"
        )
    destination = load_destinations(sources or find_project().root / "sources.py")[to]
    link = Link(Urllib3Transport(), SystemClock(), SystemRandom())
    with Journal.open(journal) as opened:
        if undo is not None:
            report = run_undo(
                to, destination, opened, period=undo, link=link, limit=limit, dry_run=dry_run
            )
        else:
            selection = select_messages(
                read_table(plan or ""), opened, customer=customer, period=period, approved=approved
            )
            report = run_push(
                selection,
                to,
                destination,
                opened,
                link=link,
                limit=limit,
                resume=resume,
                dry_run=dry_run,
                progress=lambda done: print_status(f"{done:,} actions"),
            )
    print_report(report, "Actions", done="sent" if undo is None else "undone", as_json=as_json)


def print_report(report: PushReport, noun: str, *, done: str, as_json: bool) -> None:
    """Print the counts of a push."""
    rows = [
        (done, report.sent),
        ("rejected by the destination", report.failed),
        ("sent by earlier runs", report.before),
        ("perhaps sent by an interrupted run", report.uncertain),
        ("waiting", report.waiting),
        *((f"not sent: {reason}", count) for reason, count in sorted(report.skipped.items())),
        *((f"rejected: {code}", count) for code, count in sorted(report.reasons.items())),
    ]
    print_result(
        report.to_dict(),
        f"{noun} for {report.destination}",
        ("Result", noun),
        [(name, f"{count:,}") for name, count in rows if count or name == done],
        as_json=as_json,
    )
    if not report.repeatable:
        print_status("an interrupted message to this destination may arrive twice")
    if report.uncertain:
        print_next("the same command with --resume, to send them again")
    elif report.dry_run:
        print_next("the same command without --dry-run")
    elif report.failed or report.waiting:
        print_next("the same command, to send the rest")
