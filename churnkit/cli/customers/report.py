"""``churnkit report``."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, OwnJournal, load_model
from churnkit.cli.output import print_json, print_next, print_table, say
from churnkit.errors import ChurnkitError, ModelNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from churnkit.bundle.model import RetentionModel
    from churnkit.journal import Journal
    from churnkit.report.report import Report

__all__ = ["report"]


def report(
    customers: Annotated[
        Path | None,
        typer.Argument(
            help="A .csv or .parquet file, a row a customer. Default: customers.* of the project."
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page that it writes.")] = Path(
        "report.html"
    ),
    table: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=PATH of a raw table: subscriptions, orders, events, surveys, tickets, "
            "reviews, treatments. Again for each. Default: those in the project's folder tables."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="TABLE.PART=COLUMN, where a column is called otherwise."),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER of a line of the scorecard.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="The date; default: the midnight after the last row.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="The most that all actions may cost together.")
    ] = None,
    journal: OwnJournal = None,
    csv: Annotated[
        Path | None, typer.Option(help="A folder for the numbers of each chart, as CSV.")
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            envvar="CHURNKIT_EMBEDDINGS",
            help="A folder with a sentence model, for themes by meaning (extra embeddings).",
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="At the head of the page.")] = "Retention report",
    log: Annotated[bool, typer.Option("--log", help="Keep the page in MLflow too.")] = False,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Write a page for the people who act: one file, opened offline, of aggregates only."""
    from churnkit.core.project import find_project
    from churnkit.insights import load_embedder
    from churnkit.report import build_report
    from churnkit.report.input_tables import (
        columns_named,
        customers_in,
        tables_in,
        tables_named,
        targets_named,
    )

    project = find_project()
    named = tables_named(table or [])
    columns, targets = columns_named(column or []), targets_named(target or [])
    if customers is None and not named:
        tables, customers = tables_in(project.root), customers_in(project.root)
    else:
        tables = named
    loaded = _model(model, needed=model is not None or customers is not None)
    if loaded is None and not tables:
        raise ChurnkitError(
            "there is nothing to report on: name a table (--table subscriptions=FILE), or train a "
            "model and give its customers"
        )
    with _journal(loaded, journal) as opened:
        made = build_report(
            tables,
            title=title,
            model=loaded,
            customers=_read(customers, loaded),
            as_of=as_of,
            columns=columns,
            targets=targets,
            budget=budget,
            day=datetime.now(UTC).date() if not tables and as_of is None else None,
            journal=opened,
            embed=None if embeddings is None else load_embedder(embeddings),
            progress=say,
        )
    written = made.write(output)
    say(f"the page is in {written} ({written.stat().st_size / 1000:,.0f} kB)")
    if csv is not None:
        say(f"{len(made.write_csv(csv))} CSV files are in {csv}")
    if log:
        from churnkit.report.mlflow import log_report

        say(f"logged to MLflow as run {log_report(made, project)}")
    if as_json:
        print_json(made.summary)
    else:
        _print(made)
    print_next(f"open {output} in a browser")


@contextmanager
def _journal(model: RetentionModel | None, url: str | None) -> Iterator[Journal | None]:
    """Open the journal where the catalogue asks what went out before."""
    from churnkit.decisions.eligibility.context import context_requirements

    catalogue = None if model is None else model.contents.catalogue
    if catalogue is None or not context_requirements(catalogue):
        yield None
        return
    from churnkit.journal import Journal

    with Journal.open(url) as opened:
        yield opened


def _model(name: str | None, *, needed: bool) -> RetentionModel | None:
    """Load the model; a project without one can still have a report of its tables."""
    try:
        return load_model(name)
    except (ModelNotFoundError, ChurnkitError):
        if needed:
            raise
        say("there is no model here: the report is made of the tables alone")
        return None


def _read(path: Path | None, model: RetentionModel | None) -> object:
    if path is None or model is None:
        return None
    from churnkit.core.io.table_file import read_table

    contract = model.contract
    wanted = {
        one.name for purpose in ("predict", "recommend") for one in contract.required(purpose)
    }
    wanted |= {one.name for one in contract.optional("recommend")}
    if contract.label is not None:
        wanted.add(contract.label.name)
    return read_table(path, columns=sorted(wanted))


def _print(made: Report) -> None:
    missing = [section.title for section in made.sections if section.is_missing]
    print_table(
        f"{made.title}{f', as of {made.as_of}' if made.as_of else ''}",
        ("section", "finding"),
        [
            (section.title, section.lead or "see the page")
            for section in made.sections
            if not section.is_missing
        ],
    )
    if missing:
        say(f"without data: {', '.join(missing)}; the page says what to give")
