"""``churnkit train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from churnkit.cli.options import AsJson, RecipeName, find_recipe
from churnkit.cli.output import print_next, print_result, print_status
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from datetime import datetime

    from churnkit.pipeline import Recipe, TrainingResult
    from churnkit.timeline import Timeline

__all__ = ["train"]

_IMPROVE = (
    "for a better model give the recipe more customers, a longer history or further columns, or "
    "another label; or use this version as it is:"
)


def train(
    recipe: RecipeName = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the recipe's seed.")] = None,
    replace_champion: Annotated[
        bool,
        typer.Option(
            "--replace-champion", help="Promote although the champion cannot read this table."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train a recipe's model, test it, and promote it if it beats baseline and champion."""
    from churnkit.evaluation import METRICS
    from churnkit.pipeline import load_recipe
    from churnkit.pipeline import train as train_recipe

    loaded = load_recipe(find_recipe(recipe))
    if seed is not None:
        loaded = replace(loaded, seed=seed)
    loaded, tables, locations = _keep_files(loaded)
    result = train_recipe(loaded, replace_champion=replace_champion, progress=print_status)
    evaluation = result.evaluation
    baseline = evaluation.baseline or {}
    print_result(
        result.to_dict(),
        f"{result.name} on {_describe_test(result)} (95% intervals)",
        ("Metric", f"Model ({result.winner})", "Baseline rule"),
        [
            (METRICS[name].title, value, baseline.get(name, ""))
            for name, value in evaluation.metrics.items()
        ],
        as_json=as_json,
    )
    _print_verdict(result)
    score = f"churnkit score {_describe_customers(loaded, tables, locations)} -o scores.csv --model"
    if not result.promoted and not result.unchanged:
        _print_refusal(result, score)
        raise typer.Exit(1)
    print_next(f"{score} {result.name}", f"churnkit serve --model {result.name}")


def _print_refusal(result: TrainingResult, score: str) -> None:
    """Print what can be done with a version that the gate refuses."""
    promote = f"churnkit models promote {result.version} --model {result.name}"
    if result.gate is not None and result.gate.champion is not None:
        print_next(f"churnkit models diff {result.version} --model {result.name}", promote)
        return
    print_status(_IMPROVE)
    print_next(f"{score} models:/{result.name}/{result.version}", promote)


def _keep_files(recipe: Recipe) -> tuple[Recipe, dict[str, Any], dict[str, Path]]:
    """Return the recipe, and the files and locations of its raw tables, filled in once it is trained."""
    from churnkit.core.io.raw_tables import recorded_locations

    read_tables, files, locations = recipe.data, dict[str, Any](), dict[str, Path]()
    if recipe.timeline is None or not callable(read_tables):
        return recipe, files, locations

    def data() -> Any:
        with recorded_locations() as recorded:
            tables = read_tables()
        if isinstance(tables, Mapping):
            # Tables in memory are not held during training.
            files.update({n: table for n, table in tables.items() if isinstance(table, str | Path)})
            locations.update({name: Path(file) for name, file in files.items()})
            pairs = ((n, path) for n, table in tables.items() for t, path in recorded if t is table)
            locations.update(pairs)
        return tables

    return replace(recipe, data=data), files, locations


def _describe_customers(
    recipe: Recipe, tables: Mapping[str, Any], locations: Mapping[str, Path]
) -> str:
    """Describe the rows to score as arguments: for a timeline, at a date whose data are known."""
    timeline = recipe.timeline
    if timeline is None:
        return "CUSTOMERS.csv"
    known = _next_day(timeline, tables) or _last_known(timeline)
    names = sorted({source for table in timeline.tables for source in table.sources})
    where = "FOLDER"
    if set(names) <= set(locations):
        where = _describe_tables({name: locations[name] for name in names})
    return f"{where} --as-of {known:%Y-%m-%d}"


def _describe_tables(locations: Mapping[str, Path]) -> str:
    """Name raw tables as arguments: their file, their folder, or each."""
    from churnkit.core.io.locations import parse_location, relative_location
    from churnkit.core.io.raw_tables import find_tables

    def resolve(path: Path) -> str:
        return relative_location(path, Path.cwd())

    parts = [parse_location(path) for path in locations.values()]
    if len(parts) == 1 and parts[0].is_local and parts[0].path.is_file():
        # Sheets of a pattern are found by their columns.
        path = parts[0].path if "*" in (parts[0].part or "") else next(iter(locations.values()))
        return quote(resolve(path))
    holders = {p.path if p.part is not None else p.path.parent for p in parts if p.is_local}
    if len(holders) == 1:
        (holder,) = holders
        try:
            found = {name: resolve(path) for name, path in find_tables(holder).items()}
        except ChurnkitError:  # such as two files of one name
            found = {}
        if all(found.get(name) == resolve(path) for name, path in locations.items()):
            return quote(resolve(holder))
    return " ".join(f"--table {quote(f'{n}={resolve(path)}')}" for n, path in locations.items())


def _next_day(timeline: Timeline, tables: Mapping[str, Any]) -> datetime | None:
    """Return the midnight after the newest activity; None without files of activity."""
    from churnkit.timeline import ActiveWithin
    from churnkit.timeline.customer_activity import read_activity

    # A subscription may be recorded before it begins.
    is_activity = isinstance(timeline.eligible, ActiveWithin)
    sources = timeline.table(timeline.eligible.table).sources
    if not is_activity or not set(sources) <= set(tables):
        return None
    return read_activity(timeline, tables).next_day


def _last_known(timeline: Timeline) -> datetime:
    """Return the date at which the last label is known."""
    from churnkit.timeline.labels import ObservedChurn

    known = timeline.snapshots.timestamps[-1]
    if timeline.label is not None and not isinstance(timeline.label, ObservedChurn):
        known += timedelta(days=timeline.label.mature_days)
    return known


def _describe_test(result: TrainingResult) -> str:
    """Describe the test customers, and their rows if they have several."""
    rows, churners = result.evaluation.rows, result.evaluation.churners
    if result.test_customers == rows:
        return f"{rows:,} test customers, {churners:,} churned"
    return f"{rows:,} rows of {result.test_customers:,} test customers, {churners:,} before churn"


def _print_verdict(result: TrainingResult) -> None:
    print_status(f"baseline rule: {result.rule}")
    for warning in result.warnings:
        print_status(warning)
    version = f"{result.name} version {result.version}"
    if result.unchanged:
        print_status(f"{version} is the same bundle: nothing to do")
        return
    for sentence in () if result.gate is None else result.gate.says:
        print_status(sentence)
    if result.promoted:
        print_status(f"{version} is the champion ({result.digest[:19]})")
    else:
        print_status(f"{version} is registered as challenger and NOT promoted")
