"""The commands: argument handling and printing, nothing else."""

from __future__ import annotations

from typing import Any

import typer

from churnkit.cli.customers import explain, learn, plan, rank, report, score
from churnkit.cli.modeling import evaluate, models, monitor, train
from churnkit.cli.operations import console, erase, keys, serve
from churnkit.cli.project import demo, doctor, features, init, validate

__all__ = ["command"]

_COMMANDS = (
    ("demo", demo.demo),
    ("init", init.init),
    ("validate", validate.validate),
    ("features", features.features),
    ("train", train.train),
    ("score", score.score),
    ("plan", plan.plan),
    ("rank", rank.rank),
    ("learn", learn.learn),
    ("evaluate", evaluate.evaluate),
    ("explain", explain.explain),
    ("report", report.report),
    ("console", console.console),
    ("serve", serve.serve),
    ("monitor", monitor.monitor),
    ("erase", erase.erase),
    ("doctor", doctor.doctor),
)


def command() -> Any:
    """Build the command line."""
    app = typer.Typer(
        help="Who is likely to leave, what they are worth, and which action pays.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def _root(version: bool = typer.Option(False, "--version", help="Print the version.")) -> None:
        if version:
            from churnkit import __version__

            typer.echo(f"churnkit {__version__}")
            raise typer.Exit

    for name, function in _COMMANDS:
        app.command(name)(function)
    for name, group in (("models", models.models), ("keys", keys.keys)):
        app.add_typer(group, name=name)
    return typer.main.get_command(app)
