"""``churnkit alert``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.connections.pull import SourcesFile
from churnkit.cli.connections.push import print_report
from churnkit.cli.options import AsJson, ProjectJournal
from churnkit.cli.output import print_status
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["alert"]


def alert(
    scores: Annotated[str, typer.Argument(help="Scores: the output of churnkit score or plan.")],
    earlier: Annotated[
        str | None,
        typer.Option("--earlier", help="Scores of an earlier run, for rules that compare."),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Raw table as NAME=FILE, for rules that read it."),
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="Column of customer ids. Default: the first column.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most this many.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Send again what an interrupted run may have sent, such as e-mails."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be sent; send nothing.")
    ] = False,
    journal: ProjectJournal = None,
    sources: SourcesFile = None,
    as_json: AsJson = False,
) -> None:
    """Send alerts about customers to chat, e-mail or webhook, at most one per customer and period.

    The rules and the destination are declared in sources.py.
    """
    from random import SystemRandom

    from churnkit.connect import Link, SystemClock, Urllib3Transport
    from churnkit.connect import push as run_push
    from churnkit.connect.alerts.alerts import select_alerts
    from churnkit.connect.sources import load_alerts, load_destinations
    from churnkit.core.project import find_project
    from churnkit.journal import Journal

    file = sources or find_project().root / "sources.py"
    alerts = load_alerts(file)
    destination = load_destinations(file)[alerts.to]
    link = Link(Urllib3Transport(), SystemClock(), SystemRandom())
    with Journal.open(journal) as opened:
        selection = select_alerts(
            alerts,
            _read(scores),
            opened,
            now=link.clock.now(),
            customer=customer,
            earlier=None if earlier is None else _read(earlier),
            tables=dict(_named(entry) for entry in table or ()),
        )
        report = run_push(
            selection,
            alerts.to,
            destination,
            opened,
            link=link,
            limit=limit,
            resume=resume,
            dry_run=dry_run,
            progress=lambda done: print_status(f"{done:,} alerts"),
        )
    print_report(report, "Alerts", done="sent", as_json=as_json)


def _read(source: str) -> pd.DataFrame:
    from churnkit.core.io.table_sources import read_table

    frame: pd.DataFrame = read_table(source).to_pandas()
    return frame


def _named(entry: str) -> tuple[str, pd.DataFrame]:
    name, equals, file = entry.partition("=")
    if not (name and equals and file):
        raise ChurnkitError("--table expects NAME=FILE, such as surveys=data/surveys.parquet")
    return name, _read(file)
