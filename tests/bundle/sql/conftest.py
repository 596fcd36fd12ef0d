"""Models of every kind of scorer and calibration, on a contract with every kind of column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Check, Column, Contract
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.models.calibration.maps import Calibration
from churnkit.models.calibration.venn_abers import VennAbers
from churnkit.models.classifiers.extra_trees import ExtraTrees
from churnkit.models.classifiers.lightgbm import LightGBMTrees
from churnkit.models.classifiers.logistic import LogisticModel
from churnkit.models.scorers.ensemble import EnsembleScorer

PLANS = ("it's", "back\\slash", "Zürich", "two\nlines", "(other)")
CITIES = tuple(f"city {number:02d}" for number in range(40))


def contract():
    return Contract(
        "shop",
        (
            Column("customer id", "string", ("entity",), checks=(Check("max_length", 8),)),
            Column("plan", "string", ("feature",), levels=PLANS, unknown="other"),
            Column("city", "string", ("feature",), levels=CITIES, unknown="missing", nullable=True,
                   missing=("n/a", "-")),
            Column("size", "string", ("feature",), levels=("S", "L"),
                   checks=(Check("isin", ("S", "L")),)),
            Column("tenure", "integer", ("feature",), checks=(Check("ge", 0), Check("lt", 1000))),
            Column("mrr", "number", ("feature",), nullable=True),
            Column("tickets", "number", ("feature",), nullable=True, fill=0.0,
                   checks=(Check("notin", (13,)),)),
            Column("paperless", "boolean", ("feature",), nullable=True),
            Column("joined", "datetime", ("feature",)),
            Column("renews", "datetime", ("feature",), nullable=True, fill=-30.0),
            Column("day", "datetime", ("as_of",), default="2026-03-31"),
        ),
    )  # fmt: skip


def make_customers(count, *, seed, messy):
    """Draw customers; messy ones have blanks, unknown categories and broken rules."""
    rng = np.random.default_rng(seed)

    def some(share):
        return rng.random(count) < (share if messy else 0.0)

    plan = rng.choice(PLANS[:4], count).astype(object)
    city = rng.choice(CITIES, count).astype(object)
    size = rng.choice(["S", "L"], count).astype(object)
    tenure = rng.integers(0, 72, count).astype(float)
    mrr = np.where(rng.random(count) < 0.1, np.nan, rng.normal(50, 40, count).round(2))
    tickets = np.where(rng.random(count) < 0.3, np.nan, rng.poisson(1.0, count)).astype(float)
    microseconds = rng.integers(0, 2**50, count)
    microseconds[rng.random(count) < 0.1] = 0  # 1970-01-01 stands for no date
    renews = rng.integers(19_000, 24_000, count).astype("datetime64[D]").astype(object)
    renews[rng.random(count) < 0.2] = np.datetime64("9999-12-31").astype(object)
    renews[rng.random(count) < 0.2] = None
    paperless = rng.choice(np.array([True, False, None], dtype=object), count, p=[0.5, 0.4, 0.1])
    ids = np.array([f"c{number}" for number in range(count)], dtype=object)
    for column, texts in (
        (plan, [" it's\t", "\n\x0b", "new", None, "two", "it's\u00a0"]),
        (city, [" city 01 ", "N/A", "\u00a0-", "", None, "CITY 01"]),
        (size, ["s", " L\r", None, "XL"]),
        (ids, ["", None, "a very long id", " c "]),
    ):
        chosen = some(0.15)
        column[chosen] = rng.choice(np.array(texts, dtype=object), chosen.sum())
    tenure[some(0.05)] = rng.choice([-1.0, 2.5, 1000.0, np.inf, np.nan])
    mrr[some(0.05)] = rng.choice([np.inf, 0.0, 1e-36, -1e300])
    tickets[some(0.05)] = 13.0
    return pa.table(
        {
            "customer id": pa.array(ids, pa.string()),
            "plan": pa.array(plan, pa.string()),
            "city": pa.array(city, pa.string()),
            "size": pa.array(size, pa.string()),
            "tenure": tenure,
            "mrr": pa.array(mrr, from_pandas=False),
            "tickets": pa.array(tickets, from_pandas=True),
            "paperless": pa.array(list(paperless), pa.bool_()),
            "joined": pa.array(microseconds, pa.timestamp("us"), mask=some(0.05)),
            "renews": pa.array(list(renews), pa.date32()),
            # An order that survives any database.
            "position": np.arange(count),
        }
    )


@pytest.fixture(scope="session")
def members():
    """One fitted scorer of each kind, by name."""
    clean = make_customers(1_500, seed=1, messy=False)
    X = TableEncoder(contract()).encode(clean).features
    rng = np.random.default_rng(2)
    slope = 0.4 * (X[:, 0] == 1) - 0.04 * X[:, 3] + np.nan_to_num(X[:, 4] / 60) + (X[:, 1] % 3)
    slope += np.nan_to_num(X[:, 7]) / 9000 - np.nan_to_num(X[:, 8]) / 3000
    y = rng.random(len(X)) < 1 / (1 + np.exp(-slope + 1))
    names: dict[str, Any] = {"categorical_features": [0, 1, 2], "seed": 0}
    trees: dict[str, Any] = {"learning_rate": 0.1, "num_leaves": 12, "cv": 2}
    return {
        "trees": LightGBMTrees(**trees, **names).fit(X, y).scorer_,
        "target encoding": LightGBMTrees(**trees, target_encoding_threshold=8, **names)
        .fit(X, y)
        .scorer_,
        "linear": LogisticModel(cv=2, **names).fit(X, y).scorer_,
        "extra trees": ExtraTrees(n_trees=4, cv=2, **names).fit(X, y).scorer_,
    }


def make_model(scorer, calibration=None):
    intervals = VennAbers(
        np.array([0.2, 0.6]), np.array([0.1, 0.3, 0.5]), np.array([0.3, 0.5, 1.0])
    )
    return RetentionModel(
        ModelContents(
            contract(), scorer, calibration or Calibration.identity(), intervals=intervals
        )
    )


@pytest.fixture(scope="session")
def ensemble(members):
    scorers = [members[name] for name in ("trees", "target encoding", "linear")]
    calibration = Calibration.parametric("beta", 1.25, 0.75, -0.125)
    return make_model(EnsembleScorer(scorers, [0.4, 0.25, 0.35]), calibration)
