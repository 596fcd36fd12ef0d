"""``churnkit models``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from churnkit.cli.options import AsJson, load_model
from churnkit.cli.output import print_json, print_next, print_table

__all__ = ["models"]


def models(
    card: Annotated[
        str | None,
        typer.Option(
            help="Print a model's card instead, as Markdown: a registered name (its champion), "
            "models:/NAME@ALIAS, or a bundle's folder."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the registered models, their versions and which one is champion; or print a card."""
    if card is not None:
        _print_card(card, as_json=as_json)
        return
    from churnkit.bundle import Registry
    from churnkit.bundle.quiet import quiet_mlflow

    with quiet_mlflow():
        registry = Registry()
        versions = [version for name in registry.models() for version in registry.versions(name)]
    if as_json:
        print_json([version.to_dict() for version in versions])
        return
    if not versions:
        print_next("churnkit train", "churnkit demo")
        return
    print_table(
        f"models of {registry.project.root}",
        ("model", "version", "alias", "bundle"),
        [(v.name, v.version, ", ".join(v.aliases), (v.digest or "")[:19]) for v in versions],
    )


def _print_card(name: str, *, as_json: bool) -> None:
    model = load_model(name)
    if as_json:
        print_json(dict(model.card))
    else:
        sys.stdout.write(model.card_page())
