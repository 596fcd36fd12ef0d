"""``churnkit erase``."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, OwnJournal
from churnkit.cli.output import print_json, print_next, print_table, say
from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from churnkit.batch.jobs.erase import Erasure

__all__ = ["erase"]


def erase(
    customer: Annotated[
        list[str] | None, typer.Option(help="A customer's id; again for each.")
    ] = None,
    ids: Annotated[
        Path | None,
        typer.Option("--from", exists=True, dir_okay=False, help="A text file, an id a line."),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(help="A further .csv or .parquet file to erase them from; again for each."),
    ] = None,
    journal: OwnJournal = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say where they are; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase customers from journal, scores, plans and unfinished work; say which models knew them."""
    from churnkit.batch.jobs.erase import erase_customers
    from churnkit.bundle import Registry
    from churnkit.core.project import find_project
    from churnkit.journal import Journal

    wanted = [*(customer or ()), *_lines(ids)]
    project = find_project()
    registry = None
    try:
        registry = Registry(project)
    except MissingExtraError:
        say("models are not asked whom they knew: MLflow is not installed (extra 'train')")
    with ExitStack() as stack:
        found = erase_customers(
            wanted,
            project=project,
            at=datetime.now(UTC),
            journal=stack.enter_context(Journal.open(journal)),
            registry=registry,
            files=file or (),
            dry_run=dry_run,
            progress=lambda place: say(f"looking in {place}"),
        )
    if as_json:
        print_json(found.to_dict())
    else:
        _tell(found)
    say("your own tables may still hold them: erase there too, or the next job brings them back")
    if dry_run:
        print_next("the same command without --dry-run")


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError):
        raise ChurnkitError(
            f"{path} cannot be read as text: give a file with an id a line"
        ) from None


def _tell(found: Erasure) -> None:
    if found.places:
        print_table(
            "Would be erased" if found.dry else "Erased",
            ("place", "rows"),
            [(one.name, "all" if one.rows is None else f"{one.rows:,}") for one in found.places],
        )
    else:
        say("nothing of theirs was found")
    for path in found.gone:
        say(f"{path} is no longer there: if it was moved, name it with --file")
    knew = [one for one in found.models if one.customers]
    if knew:
        print_table(
            "Trained with their rows: train again without them",
            ("model", "version", "aliases", "customers"),
            [(one.name, one.version, ", ".join(one.aliases), one.customers) for one in knew],
        )
    unknown = [f"{one.name} {one.version}" for one in found.models if one.customers is None]
    if unknown:
        say(f"not known whom they were trained on: {', '.join(unknown)}; retire or train again")
