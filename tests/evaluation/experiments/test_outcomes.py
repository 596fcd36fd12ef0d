"""Outcomes are joined to decisions as a plain loop over both joins them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from churnkit.evaluation.experiments import outcomes as module
from churnkit.evaluation.experiments.outcomes import outcomes_after, outcomes_of_decisions

START = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON = timedelta(days=30)
TIME = pa.timestamp("us", tz="UTC")


def tables(seed, decided=300, observed=500, customers=80):
    generator = np.random.default_rng(seed)
    at = sorted(START + timedelta(days=int(day)) for day in generator.integers(0, 90, decided))
    keys = [f"d{i}" for i in range(decided)]
    decisions = pa.table(
        {
            "key": keys,
            "customer": [f"c{i}" for i in generator.integers(0, customers, decided)],
            "decided_at": pa.array(at, TIME),
            "verdict": ["decide"] * decided,
            "holdout": pa.array([None, "global", "call, offer"] * (decided // 3), pa.string()),
        }
    )
    times = sorted(
        START + timedelta(hours=int(hour)) for hour in generator.integers(0, 3_000, observed)
    )
    # Some outcomes name a decision, some of those one that is not in the table.
    named = [
        f"d{i}" if share < 0.3 else None
        for i, share in zip(
            generator.integers(0, decided + 50, observed), generator.random(observed), strict=True
        )
    ]
    outcomes = pa.table(
        {
            "customer": [f"c{i}" for i in generator.integers(0, customers + 20, observed)],
            "decision": pa.array(named, pa.string()),
            "kind": [("spend", "visit")[i] for i in generator.integers(0, 2, observed)],
            "value": generator.normal(100.0, 30.0, observed),
            "observed_at": pa.array(times, TIME),
        }
    )
    return decisions, outcomes


def loop(rows, outcomes, *, by_key):
    total = [0.0] * len(rows)
    for seen in outcomes.to_pylist():
        if seen["kind"] != "spend":
            continue
        for number, row in enumerate(rows):
            if by_key and seen["decision"] is not None:
                is_own = row["key"] == seen["decision"]
            else:
                is_own = row["customer"] == seen["customer"]
            if is_own and row["decided_at"] <= seen["observed_at"] < row["decided_at"] + HORIZON:
                total[number] += seen["value"]
    return total


@pytest.mark.parametrize("pairs", [1, 7, 10**6])
@pytest.mark.parametrize("seed", range(4))
def test_sums_are_those_of_a_loop_to_the_last_bit_whatever_the_blocks(seed, pairs, monkeypatch):
    monkeypatch.setattr(module, "_MAX_PAIRS", pairs)
    decisions, outcomes = tables(seed)
    settings: dict[str, Any] = {"kind": "spend", "horizon_days": 30}
    end = max(outcomes["observed_at"].to_pylist())
    mature, value = outcomes_of_decisions(decisions, outcomes, **settings)
    rows = [row for row in decisions.to_pylist() if row["decided_at"] + HORIZON <= end]
    assert mature["key"].to_pylist() == [row["key"] for row in rows]
    assert value.tolist() == loop(rows, outcomes, by_key=True)

    first: dict[str, Any] = {}
    for row in decisions.to_pylist():
        first.setdefault(row["customer"], row)
    rows = [row for row in first.values() if row["decided_at"] + HORIZON <= end]
    counted = outcomes_after(decisions, outcomes, **settings)
    assert counted.customer.to_pylist() == [row["customer"] for row in rows]
    assert counted.holdout.to_pylist() == [row["holdout"] for row in rows]
    assert counted.immature == len(first) - len(rows)
    assert counted.value.tolist() == loop(rows, outcomes, by_key=False)


def test_tables_in_several_batches_give_the_same_sums():
    decisions, outcomes = tables(5)
    settings: dict[str, Any] = {"kind": "spend", "horizon_days": 30}
    parts = [pa.concat_tables([t.slice(0, 99), t.slice(99)]) for t in (decisions, outcomes)]
    whole = outcomes_of_decisions(decisions, outcomes, **settings)[1]
    assert outcomes_of_decisions(*parts, **settings)[1].tolist() == whole.tolist()


def test_an_outcome_counts_for_the_first_row_of_a_repeated_key():
    decisions = pa.table(
        {
            "key": ["k1", "k1", "k2"],
            "customer": ["a", "a", "b"],
            "decided_at": pa.array([START] * 3, TIME),
            "verdict": ["decide"] * 3,
            "holdout": pa.array([None] * 3, pa.string()),
        }
    )
    days = [START + timedelta(days=1), START + timedelta(days=60)]
    outcomes = pa.table(
        {
            "customer": ["b", "z"],
            "decision": ["k2", None],
            "kind": ["spend"] * 2,
            "value": [5.0, 1.0],
            "observed_at": pa.array(days, TIME),
        }
    )
    _, value = outcomes_of_decisions(decisions, outcomes, kind="spend", horizon_days=30)
    assert value.tolist() == [0.0, 0.0, 5.0]
