"""``churnkit connect``."""

from __future__ import annotations

from typing import Annotated

import typer

from churnkit.cli.connections.pull import SourcesFile
from churnkit.cli.options import AsJson
from churnkit.cli.output import print_next, print_result
from churnkit.errors import ConnectError

__all__ = ["connect"]

connect: typer.Typer = typer.Typer(help="Check sources.", no_args_is_help=True)


@connect.callback()
def _group() -> None:
    """Check sources."""


@connect.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Sources to check. Default: all.")
    ] = None,
    sources: SourcesFile = None,
    as_json: AsJson = False,
) -> None:
    """Check access, clock and quota of each source with one request; secrets are never printed."""
    from random import SystemRandom

    from churnkit.connect import SystemClock, Urllib3Transport, check_sources, load_sources
    from churnkit.core.project import find_project

    declared = load_sources(sources or find_project().root / "sources.py")
    checks = check_sources(
        declared.to_dict(),
        names or (),
        transport=Urllib3Transport(),
        clock=SystemClock(),
        jitter=SystemRandom(),
    )
    print_result(
        [check.to_dict() for check in checks],
        "Sources",
        ("Source", "Provider", "Access", "Clock difference", "Quota used", "Problem"),
        [
            (
                check.source,
                check.provider,
                "yes" if check.problem is None else "no",
                "" if check.clock_seconds is None else f"{check.clock_seconds:.0f} s",
                "" if check.quota_used is None else f"{check.quota_used:.0%}",
                check.problem,
            )
            for check in checks
        ],
        as_json=as_json,
    )
    failed = [check.source for check in checks if check.problem is not None]
    if failed:
        raise ConnectError(f"{len(failed)} of {len(checks)} sources cannot be read: {failed[0]}")
    print_next("churnkit pull")
