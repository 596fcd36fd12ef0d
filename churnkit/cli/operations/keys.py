"""``churnkit keys``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_json, print_next, print_result, print_status

__all__ = ["keys"]

KeyFile = Annotated[
    Path, typer.Option("--file", envvar="CHURNKIT_KEYS", dir_okay=False, help="File of keys.")
]
_DEFAULT_FILE = Path("keys.json")

keys: typer.Typer = typer.Typer(
    help="Add, list and remove API keys of the service.", no_args_is_help=True
)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Holder of the key, such as crm or website.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="Scope of the key: predict, recommend, outcomes, manage, admin. Repeatable."
        ),
    ] = None,
    *,
    rate: Annotated[float | None, typer.Option(help="Limit of requests per second.")] = None,
    burst: Annotated[float | None, typer.Option(help="Limit of requests at once.")] = None,
    file: KeyFile = _DEFAULT_FILE,
    as_json: AsJson = False,
) -> None:
    """Create a key and print it once; the file keeps only its digest."""
    from churnkit.server.auth.api_keys import add_key

    key = add_key(file, name=name, scopes=scope or ["predict"], rate=rate, burst=burst)
    print_status(f"added a key for {name} to {file}; it is not shown again")
    if as_json:
        print_json({"key": key, "name": name, "file": str(file)})
    else:
        typer.echo(key)
    print_next(f"churnkit serve --keys {quote(str(file))}")


@keys.command("list")
def list_keys(file: KeyFile = _DEFAULT_FILE, as_json: AsJson = False) -> None:
    """List the keys with their holders and scopes."""
    from churnkit.server.auth.api_keys import read_keys

    entries = [
        {name: value for name, value in key.to_dict().items() if name != "sha256"}
        for key in read_keys(file)
    ]
    print_result(
        entries,
        f"Keys in {file}",
        ("Id", "Name", "Scopes", "Rate"),
        [(e["id"], e["name"], ", ".join(e["scopes"]), str(e.get("rate", ""))) for e in entries],
        as_json=as_json,
    )


@keys.command()
def remove(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As churnkit keys list prints it.")],
    file: KeyFile = _DEFAULT_FILE,
) -> None:
    """Remove a key; running services refuse it within two seconds."""
    from churnkit.server.auth.api_keys import remove_key

    remove_key(file, key_id)
    print_status(f"removed key {key_id} from {file}")
