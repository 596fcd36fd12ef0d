"""``churnkit models``."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, load_model, open_registry
from churnkit.cli.output import print_json, print_next, print_result, print_status, print_table
from churnkit.errors import BundleError, ModelNotFoundError

if TYPE_CHECKING:
    from churnkit.bundle.registry.mlflow import Version

__all__ = ["models"]

RegisteredName = Annotated[
    str | None,
    typer.Option("--model", help="A registered name. Default: the project's only model."),
]
_CARD_HELP = "a registered name (its champion), models:/NAME@ALIAS, or a bundle folder."

models: typer.Typer = typer.Typer(help="List, compare, promote and sign registered models.")


@models.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    card: Annotated[
        str | None, typer.Option(help=f"Print a model card as Markdown instead: {_CARD_HELP}")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the registered models and their versions, or print a model card."""
    if context.invoked_subcommand is not None:
        return
    if card is not None:
        show_card(card, as_json)
    else:
        list_versions(as_json)


@models.command("list")
def list_versions(as_json: AsJson = False) -> None:
    """List the registered models, their versions and aliases."""
    with open_registry() as registry:
        versions = [version for name in registry.models() for version in registry.versions(name)]
    if as_json:
        print_json([version.to_dict() for version in versions])
    elif versions:
        print_table(
            f"Models of {registry.project.root}",
            ("Model", "Version", "Aliases", "Bundle"),
            [(v.name, v.version, ", ".join(v.aliases), (v.digest or "")[:19]) for v in versions],
        )
    else:
        print_next("churnkit train", "churnkit demo")


@models.command("card")
def show_card(
    model: Annotated[
        str | None,
        typer.Argument(help=f"{_CARD_HELP.capitalize()} Default: the project's only model."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a model card: data, metrics, slices, drivers and limits, as Markdown."""
    loaded = load_model(model)
    if as_json:
        print_json(dict(loaded.card))
    else:
        sys.stdout.write(loaded.card_markdown())


@models.command()
def promote(
    version: Annotated[str, typer.Argument(help="A version number, or challenger.")],
    model: RegisteredName = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            help="URL of a running service that must be able to load the version, such as "
            "http://127.0.0.1:3000; its API key is read from CHURNKIT_SERVICE_KEY. Repeatable."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion; running services load it within seconds.

    The bundle is loaded and verified first. With --service nothing is promoted unless the service
    can load it.
    """
    from churnkit.bundle import RetentionModel
    from churnkit.bundle.diff import new_requirements
    from churnkit.cli.modeling.service_check import check_service

    with open_registry() as registry:
        chosen = registry.version(model or registry.only_model(), version)
        promoted = RetentionModel.load(registry.bundle(chosen))
        # Printed later: MLflow's messages are suppressed here, and these would be too.
        notes = [check_service(url, promoted) for url in service or ()]
        columns: list[str] = []
        with suppress(ModelNotFoundError, BundleError):
            running = RetentionModel.load(registry.bundle(registry.version(chosen.name)))
            columns = new_requirements(
                promoted.contract,
                running.contract,
                recommends=running.contents.rules is not None,
            )
        registry.promote(chosen.name, chosen.version)
        champion = registry.version(chosen.name)
    for note in notes:
        print_status(note)
    if columns:
        print_status(
            f"clients must send {', '.join(columns[:5])}, which the champion before did not "
            "require: restart running services once they do"
        )
    _print_champion(champion, as_json=as_json)


@models.command()
def rollback(model: RegisteredName = None, as_json: AsJson = False) -> None:
    """Make the previous champion the champion again."""
    with open_registry() as registry:
        champion = registry.rollback(model or registry.only_model())
    _print_champion(champion, as_json=as_json)


def _print_champion(version: Version, *, as_json: bool) -> None:
    if as_json:
        print_json(version.to_dict())
        return
    print_status(f"version {version.version} of {version.name} is champion")
    print_next("churnkit models list")


@models.command()
def diff(
    before: Annotated[str, typer.Argument(help="A version, an alias, or a bundle folder.")],
    after: Annotated[str, typer.Argument(help="The one to compare it with.")] = "champion",
    model: RegisteredName = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions: columns, metrics, actions, lineage and scores."""
    from churnkit.bundle import load
    from churnkit.bundle.diff import difference
    from churnkit.bundle.registry.quiet import quiet_mlflow

    with quiet_mlflow():
        result = difference(*(load(_model_uri(version, model)) for version in (before, after)))
    print_result(
        result.to_dict(),
        f"Differences between {before} and {after}",
        ("Item", before, after),
        [(change["what"], change["before"], change["after"]) for change in result.changes],
        as_json=as_json,
    )
    if result.mean_difference is not None and not as_json:
        print_status(
            f"difference of probabilities on golden rows: mean {result.mean_difference:.4f}, "
            f"maximum {result.largest_difference:.4f}"
        )


def _model_uri(version: str, model: str | None) -> str:
    if Path(version).is_dir() or version.startswith("models:/"):
        return version
    with open_registry() as registry:
        name = model or registry.only_model()
    return f"models:/{name}{'/' if version.isdecimal() else '@'}{version}"


@models.command()
def sign(
    bundle: Annotated[str, typer.Argument(help="A bundle folder, a version, or an alias.")],
    key: Annotated[Path, typer.Option(dir_okay=False, exists=True, help="The private key.")],
    model: RegisteredName = None,
) -> None:
    """Sign a bundle, for services that require a signature."""
    from churnkit.bundle.format.signing import sign as sign_bundle

    folder = Path(bundle)
    if not folder.is_dir():
        with open_registry() as registry:
            version = registry.version(model or registry.only_model(), bundle)
            folder = registry.bundle(version)
        if not version.source.removeprefix("file://").startswith(("/", "models:")):
            raise ModelNotFoundError(
                f"version {version.version} is in a store that cannot be written to from this "
                "machine: set CHURNKIT_SIGNING_KEY while training to sign it"
            )
    sign_bundle(folder, key)
    print_status(f"signed {folder}")


@models.command("make-key")
def make_key(
    private: Annotated[Path, typer.Option(help="File for the private key.")] = Path("sign.key"),
    public: Annotated[Path, typer.Option(help="File for the public key.")] = Path("sign.pub"),
) -> None:
    """Make a key pair for signing bundles."""
    from churnkit.bundle.format.signing import make_keys

    make_keys(private, public)
    print_status(f"keep {private} secret; services read {public}: CHURNKIT_SIGNER={public}")
    print_next(f"churnkit models sign champion --key {quote(str(private))}")
