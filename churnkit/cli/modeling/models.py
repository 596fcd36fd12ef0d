"""``churnkit models``: what is registered, and which version answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from churnkit.cli.options import AsJson, load_model
from churnkit.cli.output import print_json, print_next, print_table, say
from churnkit.errors import ModelNotFoundError

__all__ = ["models"]

Registered = Annotated[
    str | None,
    typer.Option("--model", help="A registered name. Default: the project's only model."),
]

models = typer.Typer(help="List the models, and say which version is champion.")


@models.callback(invoke_without_command=True)
def show(
    context: typer.Context,
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
    if context.invoked_subcommand is not None:
        return
    if card is not None:
        _print_card(card, as_json=as_json)
    else:
        list_(as_json)


@models.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the registered models, their versions and which one is champion."""
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow

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


@models.command("card")
def show_card(
    model: Annotated[
        str | None,
        typer.Argument(
            help="A registered name (its champion), models:/NAME@ALIAS, or a bundle's folder. "
            "Default: the project's only model."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a model's card: data, figures, groups, drivers and limits, as Markdown."""
    _print_card(model, as_json=as_json)


@models.command()
def promote(
    version: Annotated[str, typer.Argument(help="Its number, or challenger.")],
    model: Registered = None,
    as_json: AsJson = False,
) -> None:
    """Make a version champion: running services take it over within seconds.

    It is loaded and its files are verified first; what would not load is not promoted.
    """
    from churnkit.bundle import Registry, RetentionModel
    from churnkit.bundle.registry.quiet import quiet_mlflow

    with quiet_mlflow():
        registry = Registry()
        found = registry.version(model or registry.only_model(), version)
        RetentionModel.load(registry.bundle(found))
        registry.promote(found.name, found.version)
        now = registry.version(found.name)
    _tell_champion(now.to_dict(), as_json=as_json)


@models.command()
def rollback(model: Registered = None, as_json: AsJson = False) -> None:
    """Make the champion before the present one champion again."""
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow

    with quiet_mlflow():
        registry = Registry()
        now = registry.rollback(model or registry.only_model())
    _tell_champion(now.to_dict(), as_json=as_json)


@models.command()
def diff(
    before: Annotated[str, typer.Argument(help="A version, an alias, or a bundle's folder.")],
    after: Annotated[str, typer.Argument(help="The one to hold against it.")] = "champion",
    model: Registered = None,
    as_json: AsJson = False,
) -> None:
    """Show what sets two versions apart: columns, figures, actions, origin, scores."""
    from churnkit.bundle import load
    from churnkit.bundle.diff import difference
    from churnkit.bundle.registry.quiet import quiet_mlflow

    with quiet_mlflow():
        found = difference(*(load(_source(said, model)) for said in (before, after)))
    if as_json:
        print_json(found.to_dict())
        return
    print_table(
        f"{before} and {after}",
        ("what", before, after),
        [(c["what"], c["before"], c["after"]) for c in found.changes],
    )
    if found.mean_difference is not None:
        say(
            f"on golden rows their probabilities differ by {found.mean_difference:.4f} in the "
            f"mean, {found.largest_difference:.4f} at most"
        )


@models.command()
def sign(
    bundle: Annotated[str, typer.Argument(help="A bundle's folder, a version, or an alias.")],
    key: Annotated[Path, typer.Option(dir_okay=False, exists=True, help="The private key.")],
    model: Registered = None,
) -> None:
    """Sign a bundle, so that services that ask for a signature take it."""
    from churnkit.bundle import Registry
    from churnkit.bundle.format.signing import sign as sign_bundle
    from churnkit.bundle.registry.quiet import quiet_mlflow

    folder = Path(bundle)
    if not folder.is_dir():
        with quiet_mlflow():
            registry = Registry()
            found = registry.version(model or registry.only_model(), bundle)
            folder = registry.bundle(found)
            kept = found.source.removeprefix("file://")
            if not kept.startswith(("/", "models:")):
                raise ModelNotFoundError(
                    f"version {found.version} is kept at a place that cannot be written to from "
                    "here: set CHURNKIT_SIGNING_KEY while training, and it is signed at once"
                )
    sign_bundle(folder, key)
    say(f"signed: {folder}")


@models.command("make-key")
def make_key(
    private: Annotated[Path, typer.Option(help="The file for the private key.")] = Path("sign.key"),
    public: Annotated[Path, typer.Option(help="The file for the public key.")] = Path("sign.pub"),
) -> None:
    """Make a pair of keys to sign bundles with."""
    from churnkit.bundle.format.signing import make_keys

    make_keys(private, public)
    say(f"keep {private} to yourself; give {public} to services: CHURNKIT_SIGNER={public}")
    print_next(f"churnkit models sign champion --key {private}")


def _source(said: str, model: str | None) -> str:
    if Path(said).is_dir() or said.startswith("models:/"):
        return said
    from churnkit.bundle import Registry

    name = model or Registry().only_model()
    return f"models:/{name}/{said}" if said.isdecimal() else f"models:/{name}@{said}"


def _tell_champion(version: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print_json(version)
        return
    say(f"version {version['version']} of {version['name']} is champion")
    print_next("churnkit models list")


def _print_card(name: str | None, *, as_json: bool) -> None:
    model = load_model(name)
    if as_json:
        print_json(dict(model.card))
    else:
        sys.stdout.write(model.card_markdown())
