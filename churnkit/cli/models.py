"""``churnkit models``."""

from __future__ import annotations

from churnkit.cli.options import AsJson
from churnkit.cli.output import print_json, print_next, print_table

__all__ = ["models"]


def models(as_json: AsJson = False) -> None:
    """List the registered models, their versions and which one is champion."""
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
