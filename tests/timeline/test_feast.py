"""Feast: its offline retrieval as training data, and our snapshots as a source of it.

Feast requires pandas 2, so it is in no extra: ``nox -s tests_feast`` installs it beside the others.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.models import ChurnClassifier
from churnkit.timeline import (
    ActiveWithin,
    InactivityChurn,
    Last,
    Snapshots,
    Table,
    Timeline,
    build,
    build_to,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the other library
    feast = pytest.importorskip("feast", reason="feast is not installed (nox -s tests_feast)")

START = datetime(2025, 1, 1, tzinfo=UTC)
CUSTOMERS = 60


@pytest.fixture
def usage(tmp_path):
    """Usage of each customer on irregular days, in order of time."""
    rng = np.random.default_rng(0)
    rows = [
        (f"c{customer:02d}", START + timedelta(days=int(day), hours=7), float(rng.integers(1, 50)))
        for customer in range(CUSTOMERS)
        for day in np.unique(rng.integers(0, 120, 2 + customer % 9))
    ]
    names = ("customer_id", "happened_at", "minutes")
    table = pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows])
    table = table.set_column(1, "happened_at", table["happened_at"].cast(pa.timestamp("us", "UTC")))
    path = tmp_path / "usage.parquet"
    pq.write_table(table, path)
    return path


@pytest.fixture
def plan():
    return Timeline(
        tables=(
            Table("usage", "customer_id", happened="happened_at", columns={"minutes": "number"}),
        ),
        features={"minutes": Last("usage", "minutes")},
        snapshots=Snapshots(every="30 days", start="2025-01-31", end="2025-03-02"),
        eligible=ActiveWithin("usage", days=365),
        label=InactivityChurn("usage", horizon_days=30),
    )


def registered(folder, path, *, time, columns):
    """Open a store in a folder with one view of a Parquet file."""
    (folder / "feature_store.yaml").write_text(
        f"project: shop\nregistry: {folder}/registry.db\nprovider: local\n"
        "offline_store:\n  type: file\n"
        f"online_store:\n  type: sqlite\n  path: {folder}/online.db\n"
        "entity_key_serialization_version: 3\n"
    )
    store = feast.FeatureStore(repo_path=str(folder))
    customer = feast.Entity(
        name="customer", join_keys=["customer_id"], value_type=feast.ValueType.STRING
    )
    kinds = {"number": feast.types.Float64, "flag": feast.types.Bool}
    view = feast.FeatureView(
        name="usage",
        entities=[customer],
        ttl=timedelta(days=3650),
        source=feast.FileSource(path=str(path), timestamp_field=time),
        schema=[feast.Field(name=name, dtype=kinds[kind]) for name, kind in columns.items()],
    )
    store.apply([customer, view])
    return store


def retrieve(store, entities, features):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return store.get_historical_features(entity_df=entities, features=features).to_df()


def test_an_offline_retrieval_is_training_data_with_the_values_of_a_timeline(usage, plan, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = registered(tmp_path, usage, time="happened_at", columns={"minutes": "number"})
    ours = build(plan, {"usage": str(usage)}).to_pandas()
    # Feast includes rows at the very time of the entity; ours are strictly before it.
    entities = ours[["customer_id", "as_of", "churned"]].rename(
        columns={"as_of": "event_timestamp"}
    )
    theirs = retrieve(store, entities, ["usage:minutes"])
    both = ours.merge(
        theirs,
        left_on=["customer_id", "as_of"],
        right_on=["customer_id", "event_timestamp"],
        suffixes=("", "_feast"),
    )
    assert len(both) == len(ours) > 100
    np.testing.assert_array_equal(both["minutes"], both["minutes_feast"])
    model = ChurnClassifier("fast", seed=0).fit(theirs[["minutes"]], theirs["churned"])
    assert model.predict_proba(theirs[["minutes"]]).shape == (len(theirs), 2)


def test_snapshots_are_a_source_of_feast(usage, plan, tmp_path):
    path = tmp_path / "snapshots.parquet"
    build_to(path, plan, {"usage": str(usage)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store = registered(
            tmp_path,
            path,
            time="as_of",
            columns={"minutes": "number", "churned": "flag"},
        )
    rows = pq.read_table(path).to_pandas()
    asked = pd.DataFrame(
        {
            "customer_id": rows["customer_id"].unique(),
            "event_timestamp": pd.Timestamp("2025-03-05", tz="UTC"),
        }
    )
    newest = rows.sort_values("as_of").groupby("customer_id").last()
    found = retrieve(store, asked, ["usage:minutes", "usage:churned"]).set_index("customer_id")
    np.testing.assert_array_equal(found["minutes"], newest.loc[found.index, "minutes"])
    np.testing.assert_array_equal(
        found["churned"].astype(bool), newest.loc[found.index, "churned"].astype(bool)
    )
