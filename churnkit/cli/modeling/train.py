"""``churnkit train``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from churnkit.cli.options import AsJson, find_recipe
from churnkit.cli.output import print_json, print_next, print_table, say

if TYPE_CHECKING:
    from churnkit.pipeline import TrainingResult

__all__ = ["train"]


def train(
    recipe: Annotated[
        str | None, typer.Argument(help="A file of training/, or its name; default: the only one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's own seed.")] = None,
    replace_champion: Annotated[
        bool,
        typer.Option(
            "--replace-champion", help="Promote although the champion cannot read this table."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a recipe, test the model, and promote it if it beats rule and champion."""
    from churnkit.pipeline import load_recipe
    from churnkit.pipeline import train as run

    loaded = load_recipe(find_recipe(recipe))
    if seed is not None:
        loaded = replace(loaded, seed=seed)
    result = run(loaded, replace_champion=replace_champion, progress=say)
    if as_json:
        print_json(result.to_dict())
    else:
        _print(result)
    _tell(result)
    if not result.promoted and not result.unchanged:
        raise typer.Exit(1)
    print_next(
        f"churnkit score CUSTOMERS.csv -o scores.csv --model {result.name}",
        f"churnkit serve --model {result.name}",
    )


def _print(result: TrainingResult) -> None:
    from churnkit.evaluation import METRICS

    baseline = result.evaluation.baseline or {}
    rows = [
        (METRICS[name].title, figure, baseline.get(name, ""))
        for name, figure in result.evaluation.metrics.items()
    ]
    evaluation = result.evaluation
    print_table(
        f"{result.name} on {evaluation.rows:,} test customers, {evaluation.churners:,} of whom "
        "left (95% intervals)",
        ("metric", f"model ({result.winner})", "rule"),
        rows,
    )


def _tell(result: TrainingResult) -> None:
    say(f"the rule: {result.rule}")
    for warning in result.warnings:
        say(warning)
    if result.unchanged:
        say(f"{result.name} version {result.version} already is this very bundle: nothing to do")
        return
    if result.gate is not None:
        for sentence in result.gate.says:
            say(sentence)
    if result.promoted:
        say(f"{result.name} version {result.version} is the champion ({result.digest[:19]})")
    else:
        say(f"{result.name} version {result.version} is registered as challenger and NOT promoted")
