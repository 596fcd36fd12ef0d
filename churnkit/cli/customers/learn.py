"""``churnkit learn``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, OwnJournal, load_model
from churnkit.cli.output import print_json, print_next, print_table, say

if TYPE_CHECKING:
    from churnkit.batch import LearnReport

__all__ = ["learn", "states_of"]


def states_of(name: str) -> Path:
    """Return the folder of the project where what was learned for a model is kept."""
    from churnkit.core.project import find_project

    return find_project().store / "bandits" / name


def learn(
    model: ModelName = None,
    journal: OwnJournal = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            envvar="CHURNKIT_BANDIT",
            file_okay=False,
            help="The folder of states. Default: the project's own, which churnkit serve follows.",
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Forget what was learned; read the whole journal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Learn from the journal which of a ranking's options suits whom.

    Run it as often as you like, by the hour or the day: each decision counts once.
    """
    from churnkit.batch import learn as run
    from churnkit.journal import Journal

    loaded = load_model(model)
    # Asked first, so that no journal is made for a model that ranks nothing.
    options = loaded.ranker.ranking.names
    folder = output or states_of(loaded.name)
    with Journal.open(journal) as opened:
        say(f"the journal is {opened.url}")
        report = run(loaded, opened, folder, now=datetime.now(UTC), anew=anew)
    _show(report, options, loaded.name, as_json=as_json)


def _show(report: LearnReport, options: tuple[str, ...], name: str, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_dict())
    else:
        told = {option["option"]: option for option in report.options}
        rows = [
            (
                option,
                f"{told[option]['shown']:,}" if option in told else "0",
                f"{told[option]['mean_reward']:.4g}" if option in told else "",
            )
            for option in dict.fromkeys((*options, *told))
        ]
        print_table(
            f"what was learned (shown options: {report.decisions:,})",
            ("option", "shown", "mean reward"),
            rows,
        )
    for reason, count in sorted(report.left_out.items()):
        say(f"left out: {count:,} ({reason})")
    if report.path is None:
        say(f"nothing new to learn from until {report.until:%Y-%m-%d %H:%M} UTC")
    else:
        say(f"state {report.state} is in {report.path}; services that follow it take it over")
        print_next(f"churnkit serve --model {name}")
