"""A health score taken apart adds up, whatever the model says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit.contracts import Column
from churnkit.insights.health_parts import health_parts

COLUMNS = (
    Column("tenure", "number", ("feature",), "Member for", "months"),
    Column("plan", "string", ("feature",), "Plan", levels=("basic", "plus")),
    Column("fee", "number", ("feature",), "Fee"),
)


def sigmoid(raw):
    return 1.0 / (1.0 + np.exp(-raw))


@given(
    st.lists(
        st.tuples(*[st.floats(-4, 4, allow_subnormal=False) for _ in range(4)]),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 4),
)
def test_start_parts_and_rest_are_the_score(rows, top):
    contributions = np.array(rows)
    matrix = np.tile([3.0, 1.0, np.nan], (len(rows), 1))
    for found, own in zip(
        health_parts(COLUMNS, matrix, contributions, sigmoid, top=top), contributions, strict=True
    ):
        assert found.score == pytest.approx(100 * (1 - sigmoid(own.sum())))
        assert found.start == pytest.approx(100 * (1 - sigmoid(own[-1])))
        total = found.start + sum(points for _, points in found.parts) + found.rest
        assert total == pytest.approx(found.score)
        assert len(found.parts) <= top
        assert found.to_dict()["score"] == found.score


def test_what_raises_the_risk_lowers_the_health_and_is_named_in_words():
    [found] = health_parts(
        COLUMNS, np.array([[3.0, 1.0, 9.0]]), np.array([[1.5, -0.5, 0.0, -1.0]]), sigmoid
    )
    assert [(says, points < 0) for says, points in found.parts] == [
        ("Member for: 3 months", True),
        ("Plan: plus", False),
    ]
    assert abs(found.rest) < 1e-9


def test_the_console_s_parts_are_the_model_s(shop_model, rows_of_shop):
    encoded = shop_model.encode(
        [{k: v for k, v in row.items() if k in shop_model.contract.feature_names or k == "customer_id"}
         for row in rows_of_shop(20, seed=9)]
    )  # fmt: skip
    parts = shop_model.parts
    found = health_parts(
        shop_model.contract.features,
        encoded.features,
        parts.scorer.contributions(encoded.features),
        parts.calibration.apply,
    )
    health = 100 * (1 - shop_model.probabilities(encoded))
    assert [one.score for one in found] == pytest.approx(health)
