"""``churnkit learn``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, ModelName, ProjectJournal, bandit_folder, load_model
from churnkit.cli.output import print_next, print_result, print_status

if TYPE_CHECKING:
    from churnkit.batch import LearnReport

__all__ = ["learn"]


def learn(
    model: ModelName = None,
    journal: ProjectJournal = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            envvar="CHURNKIT_BANDIT",
            file_okay=False,
            help="Folder of bandit states. Default: the project's, which churnkit serve reads.",
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Discard earlier states and read the whole journal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Update the ranking bandit from logged decisions and outcomes.

    Run it hourly or daily: each decision counts once.
    """
    from churnkit.batch import learn as update_bandit
    from churnkit.journal import Journal

    loaded = load_model(model)
    # Before the journal is opened: a model without a ranking must not create one.
    options = loaded.ranker.ranking.names
    folder = output or bandit_folder(loaded.name)
    with Journal.open(journal) as opened:
        print_status(f"journal: {opened.url}")
        report = update_bandit(loaded, opened, folder, now=datetime.now(UTC), anew=anew)
    _print_report(report, options, loaded.name, as_json=as_json)


def _print_report(
    report: LearnReport, options: tuple[str, ...], name: str, *, as_json: bool
) -> None:
    updates = {option["option"]: option for option in report.options}
    print_result(
        report.to_dict(),
        f"Options updated from {report.decisions:,} decisions",
        ("Option", "Shown", "Mean reward"),
        [
            (
                option,
                f"{updates[option]['shown']:,}" if option in updates else "0",
                f"{updates[option]['mean_reward']:.4g}" if option in updates else "",
            )
            for option in dict.fromkeys((*options, *updates))
        ],
        as_json=as_json,
    )
    for reason, count in sorted(report.left_out.items()):
        print_status(f"left out: {count:,} ({reason})")
    if report.path is None:
        print_status(f"no new decisions until {report.until:%Y-%m-%d %H:%M} UTC")
    else:
        print_status(f"state {report.state} was written to {report.path}; services load it")
        print_next(f"churnkit serve --model {name}")
