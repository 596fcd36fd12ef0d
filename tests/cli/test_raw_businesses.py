"""``churnkit init``, training and scores of businesses in the shapes of public data sets.

Rows are counted again in Python from the files, and every feature must stay the same if the rows at
and after the date are deleted.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from churnkit.cli.main import DONE, run
from churnkit.core.io.raw_tables import find_tables, raw_table
from churnkit.models import ChurnClassifier
from churnkit.pipeline import load_recipe, train
from churnkit.timeline import build
from tests.cli.businesses import BUSINESSES, read, write

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=sorted(BUSINESSES))
def business(request, tmp_path_factory):
    """A business and the folder with its tables."""
    folder = tmp_path_factory.mktemp(request.param)
    chosen = BUSINESSES[request.param]
    chosen.make(folder, np.random.default_rng(1))
    return chosen, folder


@pytest.fixture(scope="module")
def drafted(business, tmp_path_factory):
    """The drafted recipe, and what ``churnkit init`` prints."""
    project = tmp_path_factory.mktemp("drafted") / "project"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert run(["init", str(project), "--from", str(business[1]), "--json"]) == DONE
    return load_recipe(project / "training" / "project.py"), json.loads(printed.getvalue())


def test_customer_label_and_dates_are_read_right(business, drafted):
    chosen, folder = business
    recipe, result = drafted
    timeline = recipe.timeline
    assert timeline.entity == chosen.customer
    sources = {table.name: table.source for table in timeline.tables}
    assert type(timeline.label).__name__ == chosen.label
    assert sources[timeline.label.table] == chosen.table
    last = max(
        chosen.moment(table, row[column])
        for table, (column, _, _) in chosen.times.items()
        for row in read(folder, table)
    )
    newest = timeline.snapshots.timestamps[-1].replace(tzinfo=None)
    if chosen.label == "ObservedChurn":
        assert dt.timedelta(0) < newest - last <= dt.timedelta(days=1)
    else:
        assert newest + dt.timedelta(days=timeline.label.mature_days) <= last
        assert len(timeline.snapshots.dates) >= 8
    assert not [note for note in result["notes"] if "OPEN QUESTION" in note]
    assert any(f"churn: {chosen.label} of '{chosen.table}'" in note for note in result["notes"])
    assert any(" customers at " in note for note in result["notes"])


def features(recipe, folder, as_of):
    tables = {name: raw_table(path) for name, path in find_tables(folder).items()}
    # Several threads add prices in an order of their own, which shows in the last bits.
    return build(recipe.timeline.at(as_of), tables, threads=1)


def test_features_never_look_at_or_after_the_date(business, drafted, tmp_path):
    chosen, folder = business
    recipe, _ = drafted
    as_of = recipe.timeline.snapshots.timestamps[0].replace(tzinfo=None)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for table, (column, _, ended) in chosen.times.items():
        rows = [row for row in read(folder, table) if chosen.moment(table, row[column]) < as_of]
        for row in rows:
            if ended and row[ended] and chosen.moment(table, row[ended]) >= as_of:
                row[ended] = ""
        delimiter = ";" if table in {"visits", "memberships"} else ","
        write(tmp_path, table, rows, delimiter=delimiter)
    complete = features(recipe, folder, as_of.isoformat())
    assert complete.num_rows > 50
    assert features(recipe, tmp_path, as_of.isoformat()).equals(complete)


@pytest.mark.parametrize(
    "business",
    sorted(name for name, chosen in BUSINESSES.items() if chosen.activity),
    indirect=True,
    scope="module",
)
def test_windows_are_counted_as_in_the_files(business, drafted):
    """In the businesses with a table of the customer's own activity."""
    chosen, folder = business
    recipe, _ = drafted
    as_of = recipe.timeline.snapshots.timestamps[-1].replace(tzinfo=None)
    table = next(t for t in recipe.timeline.tables if t.source == chosen.activity)
    windows = [name for name in recipe.timeline.features if name.startswith(f"{table.name}_")]
    days = max(
        int(name[len(table.name) + 1 : -1])
        for name in windows
        if name[len(table.name) + 1 : -1].isdigit()
    )
    column = chosen.times[chosen.activity][0]
    own, customers = table.entity, {}
    if table.lookups:
        (lookup,) = table.lookups
        own = lookup.key
        customers = {row[lookup.to]: row[table.entity] for row in read(folder, lookup.source)}
    expected: dict[str, int] = {}
    for row in read(folder, chosen.activity):
        age = as_of - chosen.moment(chosen.activity, row[column])
        if dt.timedelta(0) < age <= dt.timedelta(days=days) and row[own]:
            customer = customers.get(row[own], row[own]).removesuffix(".0")
            expected[customer] = expected.get(customer, 0) + 1
    rows = features(recipe, folder, as_of.isoformat()).to_pylist()
    assert len(rows) > 50
    for row in rows:
        assert row[f"{table.name}_{days}d"] == expected.get(str(row[chosen.customer]), 0)


def test_a_project_is_trained_and_scored_without_an_edit(
    business, drafted, churnkit, migrated_store
):
    _, folder = business
    recipe, result = drafted
    assert not [one for one in result["columns"] if one["role"] == "ignore"]
    project = recipe.path.parents[1]
    (project / ".churnkit").mkdir()
    shutil.copyfile(migrated_store, project / ".churnkit" / "mlflow.db")
    trained = train(replace(recipe, model=ChurnClassifier("fast")))
    assert trained.evaluation.churners >= 10
    assert recipe.timeline is not None
    as_of = recipe.timeline.snapshots.timestamps[-1]
    code, out, err = churnkit(
        "score",
        folder,
        "--as-of",
        f"{as_of:%Y-%m-%d}",
        "--model",
        "models:/project/1",
        folder=project,
    )
    assert code == DONE, err
    scored = list(csv.DictReader(out.splitlines()))
    assert len(scored) > 50
    assert all(0.0 < float(row["churn_probability"]) < 1.0 for row in scored)


def test_keys_of_other_tables_are_no_features(business, drafted):
    """A phone number by which calls find their customer is a name, not a number."""
    recipe, _ = drafted
    keys = {
        (lookup.source, lookup.to or lookup.key)
        for table in recipe.timeline.tables
        for lookup in table.lookups
    }
    sources = {table.name: table.source for table in recipe.timeline.tables}
    used = {
        (sources[feature.table], feature.column)
        for feature in recipe.timeline.features.values()
        if getattr(feature, "column", None)
    }
    assert not keys & used
