"""``churnkit keys``: who may ask the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_json, print_next, print_table, say

__all__ = ["keys"]

KeyFile = Annotated[
    Path, typer.Option("--file", envvar="CHURNKIT_KEYS", dir_okay=False, help="The file of keys.")
]
_HOME = Path("keys.json")

keys = typer.Typer(help="Make, list and remove the keys of the service.", no_args_is_help=True)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Who will hold the key: crm, website.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may ask: predict, recommend, outcomes, admin. Repeatable."),
    ] = None,
    *,
    rate: Annotated[float | None, typer.Option(help="Requests a second.")] = None,
    burst: Annotated[float | None, typer.Option(help="Requests at once.")] = None,
    file: KeyFile = _HOME,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, once: the file keeps only its digest."""
    from churnkit.server.auth.api_keys import add_key

    key = add_key(file, name=name, scopes=scope or ["predict"], rate=rate, burst=burst)
    say(f"{file} has a key for {name}; it is printed now and never again")
    if as_json:
        print_json({"key": key, "name": name, "file": str(file)})
    else:
        typer.echo(key)
    print_next(f"churnkit serve --keys {file}")


@keys.command("list")
def list_(file: KeyFile = _HOME, as_json: AsJson = False) -> None:
    """List the keys: who holds them and what they may ask."""
    from churnkit.server.auth.api_keys import read_keys

    found = [key.to_dict() for key in read_keys(file)]
    for entry in found:
        del entry["sha256"]
    if as_json:
        print_json(found)
        return
    print_table(
        f"keys of {file}",
        ("id", "name", "scopes", "rate"),
        [(k["id"], k["name"], ", ".join(k["scopes"]), str(k.get("rate", ""))) for k in found],
    )


@keys.command()
def remove(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As churnkit keys list shows it.")],
    file: KeyFile = _HOME,
) -> None:
    """Take a key away: running services refuse it within a second or two."""
    from churnkit.server.auth.api_keys import remove_key

    remove_key(file, key_id)
    say(f"{file} has no key {key_id} any more")
