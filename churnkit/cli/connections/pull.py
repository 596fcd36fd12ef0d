"""``churnkit pull``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_next, print_result, print_status

if TYPE_CHECKING:
    from churnkit.connect import PullReport

__all__ = ["SourcesFile", "pull"]

SourcesFile = Annotated[
    Path | None,
    typer.Option("--sources", help="File of sources. Default: sources.py of the project."),
]


def pull(
    names: Annotated[
        list[str] | None, typer.Argument(help="Sources to pull. Default: all.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the raw tables. Default: data/."),
    ] = None,
    sources: SourcesFile = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
            help="Read changes from this time (UTC) instead of from the last pull.",
        ),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read all records again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be read; request nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Pull customers from CRM, billing and help desk into raw tables; an interrupted pull continues."""
    from random import SystemRandom

    from churnkit.connect import SystemClock, Urllib3Transport, load_sources
    from churnkit.connect import pull as run_pull
    from churnkit.core.project import find_project

    project = find_project()
    declared = load_sources(sources or project.root / "sources.py")
    target = folder or project.root / "data"
    report = run_pull(
        declared.to_dict(),
        target,
        project=project,
        transport=Urllib3Transport(),
        clock=SystemClock(),
        jitter=SystemRandom(),
        names=names or (),
        since=None if since is None else since.replace(tzinfo=UTC),
        full=full,
        dry_run=dry_run,
        progress=print_status,
    )
    _print_report(report, as_json=as_json)
    if dry_run:
        print_next("the same command without --dry-run")
        return
    print_status(f"{len(report.tables)} tables were written to {target}")
    print_next(
        f"churnkit init . --from {quote(str(target))}"
        if not project.recipes()
        else "churnkit train"
    )


def _print_report(report: PullReport, *, as_json: bool) -> None:
    if report.dry_run:
        columns: tuple[str, ...] = ("Source", "Stream", "Mode", "Stored versions")
        rows = [(s["source"], s["stream"], s["mode"], s["stored"]) for s in report.streams]
    else:
        columns = ("Source", "Stream", "Mode", "Read", "New versions", "Deleted")
        rows = [
            tuple(s[name] for name in ("source", "stream", "mode", "read", "new", "deleted"))
            for s in report.streams
        ]
    title = "Streams to read" if report.dry_run else f"Pulled with {report.requests:,} requests"
    print_result(report.to_dict(), title, columns, rows, as_json=as_json)
    for stream in report.streams:
        for kind in ("added", "changed", "missing"):
            changed = stream.get(f"{kind}_columns")
            if changed:
                names = ", ".join(changed)
                print_status(f"{stream['source']}: {stream['stream']}: {kind} columns: {names}")
