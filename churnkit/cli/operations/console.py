"""``churnkit console``."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from churnkit.cli.options import ModelName, OwnJournal, load_model
from churnkit.cli.output import say
from churnkit.errors import ChurnkitError, MissingExtraError

__all__ = ["console"]


def console(
    customers: Annotated[
        Path | None,
        typer.Argument(
            help="A .csv or .parquet file, a row a customer. Default: customers.* of the project."
        ),
    ] = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH of a raw table, as for churnkit report; again for each."),
    ] = None,
    journal: OwnJournal = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 for any free port.")] = 3001,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    keys: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file of keys, see churnkit keys add."),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(envvar="CHURNKIT_EMBEDDINGS", help="As for churnkit report."),
    ] = None,
    model: ModelName = None,
) -> None:
    """Serve the report, a daily list and a page for each customer, until interrupted."""
    from churnkit.console import ConsoleApp, read_roster
    from churnkit.console.approvals import Verdicts
    from churnkit.console.auth import SessionAuth
    from churnkit.console.customer_history import History
    from churnkit.core.project import find_project
    from churnkit.insights import load_embedder
    from churnkit.journal import Journal
    from churnkit.report.input_tables import customers_in, tables_in, tables_named
    from churnkit.server.auth.access_control import refuse_public_host

    embed = None if embeddings is None else load_embedder(embeddings)
    refuse_public_host(host, keys=str(keys) if keys else None, is_open=False)
    root = find_project().root
    tables = tables_named(table or []) or ({} if customers else tables_in(root))
    loaded = load_model(model)
    now = datetime.now(UTC)
    as_of = _as_of(tables, now.date())
    rows = _rows(customers or customers_in(root), loaded, tables, as_of)
    with Journal.open(journal) as opened:
        say("scoring and deciding")
        roster = read_roster(loaded, rows, day=now.date(), journal=opened)
        desk = ConsoleApp(
            roster,
            Verdicts(opened, roster),
            History(loaded, tables, as_of),
            door=SessionAuth(keys),
            clock=lambda: datetime.now(UTC),
            embed=embed,
        )
        app = desk.app()
        say("drawing the report")
        desk.warm()
        _serve(app, host, port)


def _as_of(tables: dict[str, Path], today: date) -> date:
    if not tables:
        return today
    from churnkit.insights.sql_session import open_business

    with open_business(tables) as business:
        return business.as_of.date()


def _rows(path: Path | None, model: Any, tables: dict[str, Path], as_of: date) -> Any:
    if path is None:
        if not tables:
            raise ChurnkitError("there are no customers here: name a file, a row a customer")
        return model.snapshot(tables, as_of=as_of.isoformat())
    from churnkit.core.io.table_file import read_table

    return read_table(path)


def _serve(app: Any, host: str, port: int) -> None:
    import socket

    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("console", "uvicorn") from None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # From here on a visitor is not refused but waits.
        listening.listen(128)
        shown = f"[{host}]" if ":" in host else host
        say(f"ready: http://{shown}:{listening.getsockname()[1]}/; stop with Ctrl-C")
        # An address holds a customer's id, so no request is logged.
        settings = uvicorn.Config(app, access_log=False, log_level="critical")
        uvicorn.Server(settings).run(sockets=[listening])
