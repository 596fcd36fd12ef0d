"""Held-out AUC of the schemas that ``churnkit init`` drafts, beside hand-written ones.

Run ``python -m benchmarks.drafts`` with the public data sets under ``CHURNKIT_DATA_DIR``. The drafted
schema reads the file as it is; the hand-written reading is pandas with the right options. Both train
the same model on the same customers and predict the same held-out customers. The tables in layouts of
public sets are simulated.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.publish import machine, publish
from churnkit.models import ChurnClassifier
from churnkit.pipeline import load_recipe
from churnkit.pipeline.scaffold import create_project
from churnkit.pipeline.training.data.dataset import prepare, read_training_table
from tests.cli.project import single_tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

ROWS = 6_000
LIMIT = 0.005


class Reading(NamedTuple):
    """Customers' ids, features by name, and outcomes."""

    ids: list[str]
    features: pd.DataFrame
    y: NDArray[Any]


def telco(path: Path) -> Reading:
    frame = pd.read_csv(path)
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    y = frame.pop("Churn") == "Yes"
    return Reading(frame.pop("customerID").tolist(), frame, y.astype(np.int8).to_numpy())


def tv_subscription(path: Path) -> Reading:
    frame = pd.read_csv(path)
    y = frame.pop("target").to_numpy(np.int8)
    ids = frame.pop("id").astype(str).tolist()
    # Costs of decisions are no features, but the draft cannot tell.
    return Reading(ids, frame, y)


def french_bank(path: Path) -> Reading:
    frame = pd.read_csv(
        path, sep=";", decimal=",", thousands="\u202f", dtype={"Numéro client": str}
    )
    y = frame.pop("Date de résiliation").notna().astype(np.int8).to_numpy()
    return Reading(frame.pop("Numéro client").tolist(), frame.drop(columns="Date d'ouverture"), y)


def software(path: Path) -> Reading:
    frame = pd.read_csv(path, thousands=",", index_col=0)
    y = frame.pop("churned").astype(np.int8).to_numpy()
    leaks = [
        "last_invoice_status",
        "days_since_churn",
        "cancellation_date",
        "churn_reason",
        "signup_ts",
    ]
    return Reading(frame.pop("customer_id").tolist(), frame.drop(columns=leaks), y)


def telephone(path: Path) -> Reading:
    frame = pd.read_csv(path, encoding="cp1252", keep_default_na=False, na_values=[""])
    y = (frame.pop("Customer Status") == "Churned").astype(np.int8).to_numpy()
    ids = frame.pop("Customer ID").tolist()
    return Reading(ids, frame.drop(columns=["Churn Category", "Churn Reason"]), y)


def subscribers(path: Path) -> Reading:
    frame = pd.read_csv(path)
    y = frame.pop("Churn").to_numpy(np.int8)
    return Reading(frame.pop("CustomerID").tolist(), frame, y)


def bank(path: Path) -> Reading:
    frame = pd.read_csv(path)
    y = frame.pop("Exited").to_numpy(np.int8)
    ids = frame.pop("CustomerId").astype(str).tolist()
    return Reading(ids, frame.drop(columns=["RowNumber", "Surname", "Complain"]), y)


TABLES: dict[str, tuple[Callable[[Path], Reading], Any]] = {
    "IBM Telco": (telco, "telco/Telco-Customer-Churn.csv"),
    "TV subscription": (tv_subscription, "tv_subscription/churn_tv_subscriptions.csv.gz"),
    "bank in French, label from a date": (french_bank, single_tables.french_date_label),
    "software with leaking columns": (software, single_tables.saas_leaky),
    "telephone, label of three values": (telephone, single_tables.maven_telecom),
    "subscription service": (subscribers, single_tables.subscription_service),
    "bank with a leaking column": (bank, single_tables.bank_complain),
}


def drafted_auc(path: Path, folder: Path) -> tuple[float, int, int]:
    """Train on the drafted schema; return the AUC, the number of features and of test customers."""
    drafted = create_project(folder / "project", [path])
    assert not drafted.questions, drafted.questions
    recipe = load_recipe(folder / "project" / "training" / f"{drafted.recipe}.py")
    data = prepare(recipe, read_training_table(recipe, folder / "project"))
    model = ChurnClassifier("fast", seed=0, categorical_features=data.contract.categorical_features)
    model.fit(data.train.X, data.train.y)
    probability = model.predict_proba(data.test.X)[:, 1]
    return roc_auc_score(data.test.y, probability), data.train.X.shape[1], len(data.test.y)


def written_auc(reading: Reading) -> tuple[float, int, int]:
    """Train on the hand-written reading; see `drafted_auc`."""
    from churnkit.pipeline.training.data.holdout_split import Split

    features = reading.features
    texts = [n for n in features.columns if not pd.api.types.is_numeric_dtype(features[n])]
    encoded = features.copy()
    for name in texts:
        codes = pd.Categorical(features[name].str.strip()).codes.astype(float)
        encoded[name] = np.where(codes < 0, np.nan, codes)
    X = encoded.to_numpy(float)
    held_out = Split().is_test(reading.ids)
    categories = [list(features.columns).index(name) for name in texts]
    model = ChurnClassifier("fast", seed=0, categorical_features=categories)
    model.fit(X[~held_out], reading.y[~held_out])
    probability = model.predict_proba(X[held_out])[:, 1]
    return roc_auc_score(reading.y[held_out], probability), X.shape[1], int(held_out.sum())


def measure() -> list[dict[str, Any]]:
    """Compare both readings of every table."""
    single_tables.ROWS = ROWS
    rows = []
    for name, (read, source) in TABLES.items():
        with tempfile.TemporaryDirectory() as aside:
            folder = Path(aside)
            path = (
                source(folder).path
                if callable(source)
                else Path(os.environ["CHURNKIT_DATA_DIR"]) / source
            )
            auc, features, test = drafted_auc(path, folder)
            by_hand, written_features, written_test = written_auc(read(path))
        assert test == written_test, (name, test, written_test)
        rows.append(
            {
                "table": name,
                "test": test,
                "drafted": auc,
                "written": by_hand,
                "features": [features, written_features],
            }
        )
    return rows


def section(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| {row['table']} | {row['test']:,} | {row['features'][0]} / {row['features'][1]} | "
        f"{row['drafted']:.4f} | {row['written']:.4f} | {row['drafted'] - row['written']:+.4f} |"
        for row in rows
    ]
    worst = max(abs(row["drafted"] - row["written"]) for row in rows)
    return "\n".join(
        [
            "## Drafted schemas",
            "",
            (
                "`python -m benchmarks.drafts`: held-out AUC of the schema that `churnkit init` drafts without an "
                "edit, and of the same model on columns that were read by hand with pandas. The last five "
                "tables are simulated in the layouts of public sets."
            ),
            "",
            "| table | test customers | features, drafted / by hand | drafted | by hand | difference |",
            "|---|---:|---:|---:|---:|---:|",
            *lines,
            "",
            f"The largest difference is {worst:.4f} (limit {LIMIT}).",
        ]
    )


def main() -> None:
    rows = measure()
    publish(
        "drafts", {**machine("lightgbm", "pandas", "scikit-learn"), "tables": rows}, section(rows)
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
