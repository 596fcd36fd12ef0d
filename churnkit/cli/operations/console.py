"""``churnkit console``."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.connections.pull import SourcesFile
from churnkit.cli.options import (
    CustomerFile,
    Embeddings,
    LocaleCode,
    ModelName,
    ProjectJournal,
    load_model,
)
from churnkit.cli.output import print_status
from churnkit.errors import ChurnkitError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable

    from churnkit.console import CustomerList
    from churnkit.console.approvals import Approvals
    from churnkit.console.delivery.push_run import ApprovedPush
    from churnkit.console.openid.login import SignIns

__all__ = ["console"]


def console(
    customers: CustomerFile = None,
    table: Annotated[
        list[str] | None,
        typer.Option(help="A raw table as NAME=PATH, as for churnkit report. Repeatable."),
    ] = None,
    journal: ProjectJournal = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 for any free one.")] = 3001,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    keys: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="File of keys, from churnkit keys add."),
    ] = None,
    oidc: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="TOML file of an OpenID Connect client."),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(help="Column with the owner of each customer, until another is assigned."),
    ] = None,
    by_team: Annotated[
        bool,
        typer.Option("--by-team", help="Show viewers and agents only customers of their team."),
    ] = False,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Destination of approved actions, as declared in sources.py."),
    ] = None,
    sources_file: SourcesFile = None,
    embeddings: Embeddings = None,
    locale: LocaleCode = None,
    model: ModelName = None,
) -> None:
    """Serve the report, a daily list and a page for each customer, until interrupted."""
    from churnkit.console import ConsoleApp, read_customer_list
    from churnkit.console.approvals import Approvals
    from churnkit.console.auth import SessionAuth
    from churnkit.console.customer_history import History
    from churnkit.core.project import find_project
    from churnkit.core.translation import use_locale
    from churnkit.insights import load_embedder
    from churnkit.journal import Journal
    from churnkit.report.input_tables import find_customers, find_tables, parse_tables
    from churnkit.server.auth.access_control import refuse_public_host

    embed = None if embeddings is None else load_embedder(embeddings)
    guard = keys or oidc
    if by_team and not guard:
        raise ChurnkitError("--by-team needs --keys or --oidc: others have all rights")
    refuse_public_host(host, keys=str(guard) if guard else None, is_open=False)
    sign_ins = None if oidc is None else _open_sign_ins(oidc)
    root = find_project().root
    destination = None if to is None else _open_destination(to, sources_file or root / "sources.py")
    tables = parse_tables(table or []) or ({} if customers else find_tables(root))
    loaded = load_model(model)
    today = datetime.now(UTC).date()
    as_of = _as_of(tables, today)
    rows = _read_customers(customers or find_customers(root), loaded, tables, as_of)
    with Journal.open(journal) as opened, use_locale(locale or "en"):
        print_status("scoring customers and choosing actions")
        scored = read_customer_list(loaded, rows, day=today, journal=opened)
        if scored.note:
            print_status(scored.note)
        approvals = Approvals(opened, scored)
        console_app = ConsoleApp(
            scored,
            approvals,
            History(loaded, tables, as_of),
            auth=SessionAuth(keys, sign_ins=sign_ins),
            clock=lambda: datetime.now(UTC),
            embed=embed,
            owners=_read_owners(scored, owner),
            push=None if destination is None else destination(scored, approvals),
            by_team=by_team,
        )
        app = console_app.app()
        print_status("building the report")
        console_app.warm()
        _serve(app, host, port)


def _open_sign_ins(path: Path) -> SignIns:
    import time

    from churnkit.console.openid.login import SignIns
    from churnkit.console.openid.provider import OpenIDProvider
    from churnkit.console.openid.settings import read_openid_settings

    provider = OpenIDProvider(read_openid_settings(path), clock=time.time)
    return SignIns(provider, clock=time.time)


def _open_destination(
    name: str, sources: Path
) -> Callable[[CustomerList, Approvals], ApprovedPush]:
    """Read a destination before minutes of work; return a function that opens its push."""
    from random import SystemRandom

    from churnkit.connect import Link, SystemClock, Urllib3Transport, load_destinations
    from churnkit.console.delivery.push_run import ApprovedPush

    destination = load_destinations(sources)[name]
    link = Link(Urllib3Transport(), SystemClock(), SystemRandom())
    return lambda customers, approvals: ApprovedPush(
        name, destination, customers=customers, approvals=approvals, link=link
    )


def _as_of(tables: dict[str, Path], today: date) -> date:
    if not tables:
        return today
    from churnkit.insights.sql_session import open_session

    with open_session(tables) as session:
        return session.as_of.date()


def _read_customers(path: Path | None, model: Any, tables: dict[str, Path], as_of: date) -> Any:
    if path is None:
        if not tables:
            raise ChurnkitError("no customers found: name a file with one row per customer")
        return model.snapshot(tables, as_of=as_of.isoformat())
    from churnkit.cli.customer_input import print_default_date
    from churnkit.core.io.table_sources import read_table

    table = read_table(path)
    print_default_date(model.contract, table.column_names, path.name, option="")
    return table


def _read_owners(scored: CustomerList, column: str | None) -> dict[str, str]:
    if column is None:
        return {}
    if column not in scored.table.column_names:
        raise ChurnkitError(f"the customers have no column '{column}' for --owner")
    owners = scored.table[column].to_pylist()
    pairs = zip(scored.customers, owners, strict=True)
    return {customer: str(name).strip()[:60] for customer, name in pairs if name is not None}


def _serve(app: Any, host: str, port: int) -> None:
    import socket

    try:
        import uvicorn
    except ImportError:
        raise MissingExtraError("console", "uvicorn") from None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # From here on a request waits instead of being refused.
        listener.listen(128)
        address = f"[{host}]" if ":" in host else host
        print_status(f"ready: http://{address}:{listener.getsockname()[1]}/; stop with Ctrl-C")
        # Paths hold customers' ids, so requests are not logged.
        config = uvicorn.Config(app, access_log=False, log_level="critical")
        uvicorn.Server(config).run(sockets=[listener])
