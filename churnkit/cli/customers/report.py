"""``churnkit report``."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.connections.pull import SourcesFile
from churnkit.cli.options import (
    AsJson,
    Budget,
    CustomerFile,
    Embeddings,
    LocaleCode,
    ModelName,
    ProjectJournal,
    load_model,
)
from churnkit.cli.output import print_next, print_result, print_status
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

    from churnkit.bundle.model import RetentionModel
    from churnkit.core.project import Project
    from churnkit.journal import Journal
    from churnkit.report import Report

__all__ = ["report"]


def report(
    customers: CustomerFile = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="HTML or PDF file to write.")
    ] = Path("report.html"),
    table: Annotated[
        list[str] | None,
        typer.Option(
            help="A raw table as NAME=PATH: subscriptions, orders, events, surveys, tickets, "
            "reviews, treatments. Repeatable. Default: the files in the project's folder tables."
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="TABLE.PART=COLUMN, for a column with another name. Repeatable."),
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="Target of a scorecard metric as NAME=NUMBER.")
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="As-of date. Default: midnight after the last row.")
    ] = None,
    budget: Budget = None,
    journal: ProjectJournal = None,
    csv: Annotated[
        Path | None, typer.Option(help="Folder for the numbers of each chart, as CSV.")
    ] = None,
    embeddings: Embeddings = None,
    title: Annotated[
        str | None, typer.Option(help="Title of the page. Default: Retention report.")
    ] = None,
    brand: Annotated[str, typer.Option(help="Name above the title.")] = "churnkit",
    logo: Annotated[
        Path | None, typer.Option(help="Logo in place of the name: a PNG, JPEG or SVG file.")
    ] = None,
    accent: Annotated[str | None, typer.Option(help="Accent color, such as #1b5e9e.")] = None,
    locale: LocaleCode = None,
    send: Annotated[
        str | None,
        typer.Option(help="Send the summary to this destination, as declared in sources.py."),
    ] = None,
    link: Annotated[str, typer.Option(help="Link to the page for {link} in messages.")] = "",
    sources_file: SourcesFile = None,
    log: Annotated[bool, typer.Option("--log", help="Log the page to MLflow too.")] = False,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Write an offline HTML report of aggregates: revenue, retention, drivers and actions."""
    from churnkit.core.project import find_project
    from churnkit.core.translation import find_locale, use_locale
    from churnkit.insights import load_embedder
    from churnkit.report import Brand, build_report
    from churnkit.report.input_tables import (
        find_customers,
        find_tables,
        parse_columns,
        parse_tables,
        parse_targets,
    )

    if output.suffix.lower() == ".pdf":
        from churnkit.report.pdf import find_browser

        find_browser()  # before minutes of work
    project, language = find_project(), find_locale(locale or "en")
    look = Brand(brand, logo, accent)
    tables = parse_tables(table or [])
    columns, targets = parse_columns(column or []), parse_targets(target or [])
    if customers is None and not tables:
        tables, customers = find_tables(project.root), find_customers(project.root)
    loaded = _load_model(model, required=model is not None or customers is not None)
    if loaded is None and not tables:
        raise ChurnkitError(
            "no data to report on: name a table (--table subscriptions=FILE), or train a model and "
            "name a file of customers"
        )
    with use_locale(language):
        rows, sources, note = _read_rows(loaded, customers, tables, project, as_of=as_of)
    with _open_journal(loaded, journal) as opened:
        page = build_report(
            sources,
            title=title,
            brand=look,
            locale=language,
            model=loaded,
            customers=rows,
            note=note,
            as_of=as_of,
            columns=columns,
            targets=targets,
            budget=budget,
            day=datetime.now(UTC).date() if not sources and as_of is None else None,
            journal=opened,
            embed=None if embeddings is None else load_embedder(embeddings),
            progress=print_status,
        )
    written = page.write(output)
    print_status(f"the report was written to {written} ({written.stat().st_size / 1000:,.0f} kB)")
    if csv is not None:
        print_status(f"{len(page.write_csv(csv))} CSV files were written to {csv}")
    if send is not None:
        _send(page, send, sources_file or project.root / "sources.py", link)
    if log:
        from churnkit.report.mlflow import log_report

        print_status(f"logged to MLflow as run {log_report(page, project)}")
    with use_locale(page.locale):
        _print_sections(page, as_json=as_json)
    print_next(f"open {output}" + ("" if output.suffix.lower() == ".pdf" else " in a browser"))


def _send(page: Report, name: str, sources: Path, link: str) -> None:
    """Send the summary to a destination, outside the outbox: each call sends it."""
    from random import SystemRandom

    from churnkit.connect import Link, Message, SystemClock, Urllib3Transport, load_destinations
    from churnkit.report import write_digest

    clock = SystemClock()
    summary = Message(
        f"report-{clock.now().isoformat()}",
        "",
        "report",
        clock.now(),
        {"title": page.title, "summary": write_digest(page), "link": link},
        kind="report",
    )
    destination = load_destinations(sources)[name]
    sender = destination.open(name, Link(Urllib3Transport(), clock, SystemRandom()))
    (receipt,) = sender.send([summary])
    if receipt.reason is not None:
        raise ChurnkitError(f"{name} rejected the summary of the report: {receipt.reason}")
    print_status(f"the summary was sent to {name}")


def _print_sections(page: Report, *, as_json: bool) -> None:
    from churnkit.core.translation import _, format_day

    title = page.title
    if page.as_of:
        title = _("{title}, as of {as_of}", title=title, as_of=format_day(page.as_of))
    print_result(
        page.summary,
        title,
        (_("Section"), _("Finding")),
        [
            (section.title, section.lead or _("see the page"))
            for section in page.sections
            if not section.is_missing
        ],
        as_json=as_json,
    )
    missing = [section.title for section in page.sections if section.is_missing]
    if missing and not as_json:
        print_status(
            _(
                "sections without data: {sections}; the page lists the tables they need. Add them "
                "with: churnkit report --table subscriptions=FILE --table surveys=FILE",
                sections=", ".join(missing),
            )
        )


@contextmanager
def _open_journal(model: RetentionModel | None, url: str | None) -> Iterator[Journal | None]:
    """Open the journal if the catalogue's rules depend on earlier contacts."""
    from churnkit.decisions.eligibility.context import context_requirements

    catalogue = None if model is None else model.contents.catalogue
    if catalogue is None or not context_requirements(catalogue):
        yield None
        return
    from churnkit.journal import Journal

    with Journal.open(url) as opened:
        yield opened


def _load_model(name: str | None, *, required: bool) -> RetentionModel | None:
    try:
        return load_model(name)
    except ChurnkitError:
        if required:
            raise
        print_status("no model in this project: the report uses the tables alone")
        return None


def _read_rows(
    model: RetentionModel | None,
    path: Path | None,
    tables: Mapping[str, Any],
    project: Project,
    *,
    as_of: str | None,
) -> tuple[Any, Mapping[str, Any], str]:
    """Read the customers, or the training data without any; return the raw tables and a note."""
    from churnkit.cli.customers.training_rows import read_training_rows

    if model is None:
        return None, tables, ""
    if path is not None:
        return _read_customers(path, model, as_of), tables, ""
    return (None, tables, "") if tables else read_training_rows(model, project)


def _read_customers(path: Path, model: RetentionModel, as_of: str | None) -> pa.Table:
    from churnkit.cli.customer_input import name_sheet, print_default_date, trained_sheet
    from churnkit.contracts.parsing.arrow_columns import complete_keys
    from churnkit.core.io.table_sources import read_table

    contract = model.contract
    columns = [
        *contract.required("predict"),
        *contract.required("recommend"),
        *contract.optional("recommend"),
        *(() if contract.label is None else (contract.label,)),
    ]
    source = name_sheet(str(path), contract, known=trained_sheet(model))
    table = read_table(source, columns=sorted({column.name for column in columns}))
    if as_of is None:
        print_default_date(contract, table.column_names, path.name)
        return table
    return complete_keys(table, contract, as_of=as_of)
