"""``churnkit erase``."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ProjectJournal
from churnkit.cli.output import print_json, print_next, print_status, print_table
from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from churnkit.batch.jobs.erase import Erasure
    from churnkit.server.decision_log.erase_spool import SpoolErasure

__all__ = ["erase"]


def erase(
    customer: Annotated[list[str] | None, typer.Option(help="A customer's id. Repeatable.")] = None,
    ids: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="A text file, one id per line."),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(help="Another .csv or .parquet file to erase them from. Repeatable."),
    ] = None,
    journal: ProjectJournal = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the rows to erase and change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase customers from journal, pulls, scores, plans and unfinished jobs; list models trained on them."""
    from churnkit.batch.jobs.erase import Location, erase_customers
    from churnkit.bundle import Registry
    from churnkit.connect import erase_from_pulls
    from churnkit.core.project import find_project
    from churnkit.journal import Journal

    customers = [*(customer or ()), *_read_ids(ids)]
    if not customers:
        raise ChurnkitError("no customer is named: pass --customer ID or --from FILE")
    project = find_project()
    registry = None
    try:
        registry = Registry(project)
    except MissingExtraError:
        print_status("models are not checked: MLflow is not installed (extra 'train')")
    # First: the next pull must not restore what is erased from its tables below.
    pulls = erase_from_pulls([c.strip() for c in customers], project, dry_run=dry_run)
    with Journal.open(journal) as opened:
        erasure = erase_customers(
            customers,
            project=project,
            at=datetime.now(UTC),
            journal=opened,
            registry=registry,
            files=file or (),
            dry_run=dry_run,
            progress=lambda location: print_status(f"searching {location}"),
        )
    versions = [Location(f"pull {name}", rows) for name, rows in pulls.items()]
    spools = _erase_from_spools({c.strip() for c in customers}, dry_run=dry_run)
    versions += [Location(f"spool {s.folder}", s.lines) for s in spools if s.lines]
    held = [
        f"spool {s.folder}: a running service holds {s.held} decisions; they are dropped once it "
        "reaches the journal"
        for s in spools
        if s.held
    ]
    erasure = replace(
        erasure,
        locations=(*erasure.locations, *versions),
        remaining=(*erasure.remaining, *held),
    )
    if as_json:
        print_json(erasure.to_dict())
    else:
        _print_erasure(erasure)
    print_status(
        "source tables may still hold these customers: delete them there too, or the next job "
        "writes them again"
    )
    if dry_run:
        print_next("the same command without --dry-run")
    elif erasure.remaining:
        raise typer.Exit(1)


def _erase_from_spools(customers: set[str], *, dry_run: bool) -> list[SpoolErasure]:
    try:
        from churnkit.server.decision_log.erase_spool import erase_from_spools, find_spools
    except ModuleNotFoundError:
        # Without the extra 'serve' no service has run in this environment.
        return []
    return erase_from_spools(
        customers, find_spools(os.environ.get("CHURNKIT_SPOOL")), dry_run=dry_run
    )


def _read_ids(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        raise ChurnkitError(
            f"{path} is not a text file: give a file with one id per line"
        ) from None


def _print_erasure(erasure: Erasure) -> None:
    if erasure.locations:
        print_table(
            "Would be erased" if erasure.dry_run else "Erased",
            ("Place", "Rows"),
            [
                (location.name, "all" if location.rows is None else f"{location.rows:,}")
                for location in erasure.locations
            ],
        )
    else:
        print_status("no rows of these customers were found")
    for path in erasure.missing:
        print_status(f"{path} no longer exists: if it was moved, name it with --file")
    for reason in erasure.remaining:
        print_status(f"not erased: {reason}")
    for name in erasure.elsewhere:
        print_status(
            f"{name} could not be reached and may hold rows of these customers: delete them there"
        )
    trained = [model for model in erasure.models if model.customers]
    if trained:
        print_table(
            "Models trained on these customers: retrain without them",
            ("Model", "Version", "Aliases", "Customers"),
            [(m.name, m.version, ", ".join(m.aliases), m.customers) for m in trained],
        )
    unknown = [f"{m.name} {m.version}" for m in erasure.models if m.customers is None]
    if unknown:
        print_status(
            f"training customers not recorded for: {', '.join(unknown)}; retire or retrain them"
        )
