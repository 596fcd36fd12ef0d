"""Build the command line from its commands."""

from __future__ import annotations

from functools import cache
from typing import Any

import typer

from churnkit.cli.connections import alert, connect, pull, push
from churnkit.cli.customers import explain, learn, plan, rank, report, score
from churnkit.cli.modeling import evaluate, models, monitor, train
from churnkit.cli.operations import console, erase, journal, keys, serve
from churnkit.cli.project import demo, doctor, features, init, validate

__all__ = ["build_command"]

# In the order of the help.
_COMMANDS = (
    demo.demo,
    pull.pull,
    init.init,
    validate.validate,
    features.features,
    train.train,
    score.score,
    plan.plan,
    push.push,
    alert.alert,
    rank.rank,
    learn.learn,
    evaluate.evaluate,
    explain.explain,
    report.report,
    console.console,
    serve.serve,
    monitor.monitor,
    erase.erase,
    doctor.doctor,
)


@cache
def build_command() -> Any:
    """Build the command group ``churnkit``."""
    app = typer.Typer(
        help="Predict churn, estimate customer value, and choose retention actions that pay.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def _root(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Print the version and exit."),
        csv_delimiter: str | None = typer.Option(
            None,
            envvar="CHURNKIT_CSV_DELIMITER",
            help="Delimiter of CSV files, or tab. Default: detected.",
        ),
        csv_encoding: str | None = typer.Option(
            None,
            envvar="CHURNKIT_CSV_ENCODING",
            help="Encoding of CSV files, such as cp1250. Default: detected.",
        ),
    ) -> None:
        from churnkit.core.io.csv.dialect import state_dialect

        context.call_on_close(state_dialect)
        state_dialect(csv_delimiter, csv_encoding)
        if version:
            from churnkit import __version__

            typer.echo(f"churnkit {__version__}")
            raise typer.Exit

    for function in _COMMANDS:
        app.command(function.__name__)(function)
    app.add_typer(models.models, name="models")
    app.add_typer(keys.keys, name="keys")
    app.add_typer(journal.journal, name="journal")
    app.add_typer(connect.connect, name="connect")
    return typer.main.get_command(app)
