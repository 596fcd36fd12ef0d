"""Rankings of a thousand options: the same slates as a full sort, in bounded memory and rows."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.bundle.decision_records import slate_fields
from churnkit.contracts import Column
from churnkit.decisions import Action, Ranking, Where, compile_ranking, unpack_options
from churnkit.decisions.ranking import slate
from churnkit.decisions.ranking.bitmask import pack_options
from churnkit.decisions.ranking.compiled import rank_rows
from churnkit.errors import DataError
from churnkit.models import LinearBandit
from churnkit.models.bandit.baseline import rank_by_orders

COLUMNS = [Column("age", "number", ("feature",)), Column("fee", "number", ("feature",))]


@pytest.fixture(scope="module")
def ranked():
    """A thousand options, half of them by age, and customers."""
    generator = np.random.default_rng(0)
    options = tuple(
        Action(
            f"option-{number:04d}",
            f"Option {number}",
            eligible=(Where("age", ">", float(number % 40)),) if number % 2 else (),
            features=tuple(generator.normal(size=2).tolist()),
        )
        for number in range(1_000)
    )
    compiled = compile_ranking(Ranking(options, outcome="clicked", size=5), COLUMNS)
    bandit = LinearBandit.new(customer_features=2, option_features=2)
    customers = generator.uniform(0.0, 80.0, size=(150, 2))
    compiled.warm_up(bandit)
    return compiled, bandit, customers


@given(
    st.integers(1, 6),
    st.integers(1, 120),
    st.integers(0, 2**32 - 1),
    st.sampled_from([None, 0.0, 2.0]),
)
def test_the_largest_values_are_those_of_a_stable_sort(size, count, seed, minimum):
    # Whole numbers, so that many are equal.
    values = np.random.default_rng(seed).integers(-3, 4, size=(4, count)).astype(float)
    expected = np.argsort(-values, axis=1, kind="stable")[:, : min(size, count)]
    if minimum is not None:
        expected = np.where(np.take_along_axis(values, expected, axis=1) > minimum, expected, -1)
    assert slate.ranked_options(values, size, minimum).tolist() == expected.tolist()


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_values_are_exchanged_as_one_draw_and_customer_at_a_time_would(count, seed):
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(6, 3, count))
    orders = np.stack([generator.permutation(count) for _ in range(6)])
    reliable = generator.random((6, count)) < 0.6
    exchanged = rank_by_orders(values, orders, reliable)
    for draw, customer in np.ndindex(6, 3):
        own = values[draw, customer]
        by_value = sorted(range(count), key=lambda option: -own[option])
        if reliable[draw, orders[draw, 0]]:
            order = sorted(by_value, key=lambda option: not reliable[draw, option])
        else:
            order = orders[draw].tolist()
        assert exchanged[draw, customer][order].tolist() == own[by_value].tolist()


def test_a_table_gets_the_slates_of_single_customers(ranked):
    compiled, bandit, customers = ranked
    keys = [f"k{row}" for row in range(20)]
    together = rank_rows(compiled, customers[:20], bandit, keys=keys)
    for row, decision in enumerate(together):
        alone = compiled.rank_one(customers[row].tolist(), bandit, key=keys[row])
        assert decision == alone


def test_memory_does_not_grow_with_the_customers(ranked):
    compiled, bandit, _ = ranked
    # Old enough for every option: one group of customers.
    customers = np.full((150, 2), 60.0)
    tracemalloc.start()
    rank_rows(compiled, customers, bandit, keys=[f"k{row}" for row in range(150)])
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    # 64 draws of 1,000 options for all of them are 77 MB, in each of several arrays.
    assert peak < 110.0


def test_a_record_has_a_bit_per_option_and_not_its_name(ranked):
    compiled, bandit, customers = ranked
    names = compiled.ranking.names
    decision = compiled.rank_one(customers[0].tolist(), bandit, key="k")
    assert len(decision.eligible) > 500
    records = slate_fields("k", decision, {"age": 1.0}, compiled, state=0)
    assert len(records) == 5
    assert all(len(json.dumps(record["eligible"])) < 200 for record in records)
    assert unpack_options(records[0]["eligible"], names) == decision.eligible


@given(st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_packed_options_are_read_back(count, seed):
    options = [f"o{number}" for number in range(count)]
    drawn = np.random.default_rng(seed).random(count) < 0.7
    names = [option for option, is_drawn in zip(options, drawn, strict=True) if is_drawn]
    assert unpack_options(pack_options(names, options), options) == tuple(names)


@pytest.mark.parametrize(
    "change",
    [
        lambda names: [*names[:-1], "renamed"],
        lambda names: [*names[1:], names[0]],
        # As many bytes of bits.
        lambda names: [*names, "added"],
        lambda names: names[:-1],
    ],
)
def test_a_bitmask_is_not_read_with_options_that_changed_since(change):
    names = [f"o{number}" for number in range(60)]
    packed = pack_options(names[:52], names)
    assert unpack_options(packed, names) == tuple(names[:52])
    with pytest.raises(DataError, match="its model"):
        unpack_options(packed, change(names))


@pytest.mark.parametrize("packed", ["bitmask:", "bitmask:!", "bitmask:AAAA", "bitmask:" + "/" * 80])
def test_a_damaged_bitmask_is_refused(packed):
    with pytest.raises(DataError, match="its model"):
        unpack_options([packed], [f"o{number}" for number in range(60)])
