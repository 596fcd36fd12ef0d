"""``churnkit erase``."""

from __future__ import annotations

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
    erasure = replace(erasure, locations=(*erasure.locations, *versions))
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
