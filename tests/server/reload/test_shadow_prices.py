"""Recommendations at the prices of the newest plan, which may come, change or be damaged."""

from __future__ import annotations

import logging
import os

import numpy as np
import pytest

from churnkit.decisions.allocation.plan import read_prices, write_prices
from churnkit.server import create_app

BUDGET = 150.0


@pytest.fixture
def members(member):
    return [member(place, decide=True) for place in range(120)]


@pytest.fixture
def planned(model, members):
    """A plan whose budget binds."""
    encoded, probabilities = model.score_table(members, "recommend")
    return model.decide_table(probabilities, encoded.matrix, budget=BUDGET)


@pytest.fixture
def priced(model, planned, tmp_path):
    """An application at the plan's prices; their file may be written again."""
    file = tmp_path / "prices.json"
    write_prices(file, planned.plan.shadow_prices, model.catalogue)
    assert read_prices(file, model.catalogue).budget > 0
    return create_app(model, prices=str(file), poll_seconds=0.0), file


def alone(ask, app, members):
    return [
        ask("/v1/recommend", {"customers": [one]}, to=app).json()["predictions"][0]
        for one in members
    ]


def test_each_customer_alone_gets_what_the_plan_gives(ask, members, planned, priced):
    app, _ = priced
    told = alone(ask, app, members)
    same = [one["action"] == name for one, name in zip(told, planned.action_name, strict=True)]
    # Whose reduced gain is nothing at all stands on the fence: the plan settles them one by one.
    assert len(same) - sum(same) <= 1
    assert sum(one["cost"] for one in told) <= BUDGET + 30.0
    free = ask("/v1/recommend", {"customers": members[:50]}).json()["predictions"]
    assert sum(one["cost"] for one in free) > 2 * BUDGET


def test_many_at_once_get_what_each_gets_alone(ask, members, priced):
    app, _ = priced
    together = ask("/v1/recommend", {"customers": members}, to=app)
    assert len(together.headers["churnkit-prices"]) == 12
    rows = [
        {k: v for k, v in one.items() if k != "prediction_id"}
        for one in together.json()["predictions"]
    ]
    each = [
        {k: v for k, v in one.items() if k != "prediction_id"} for one in alone(ask, app, members)
    ]
    assert rows == each


def test_a_budget_of_the_request_s_own_is_shared_without_prices(ask, members, priced):
    app, _ = priced
    body = {"customers": members[:50], "budget": 60}
    answer = ask("/v1/recommend", body, to=app)
    assert "churnkit-prices" not in answer.headers
    plain = ask("/v1/recommend", body).json()["predictions"]
    assert [one["action"] for one in answer.json()["predictions"]] == [
        one["action"] for one in plain
    ]


def test_a_newer_plan_is_taken_up_and_a_damaged_file_changes_nothing(
    ask, members, model, priced, planned, caplog
):
    app, file = priced
    first = [one["action"] for one in alone(ask, app, members[:40])]
    with caplog.at_level(logging.ERROR, logger="churnkit.server"):
        file.write_text("{")
        assert [one["action"] for one in alone(ask, app, members[:40])] == first
    assert [
        record.getMessage().endswith("the earlier prices stay in use") for record in caplog.records
    ] == [True]
    prices = planned.plan.shadow_prices
    write_prices(
        file, type(prices)(1e6, prices.capacity, prices.shared, prices.floors), model.catalogue
    )
    os.utime(file, ns=(1, 1))
    assert {one["action"] for one in alone(ask, app, members[:40])} == {None}


def test_without_a_file_each_is_decided_on_alone_until_there_is_one(
    ask, members, model, planned, tmp_path, caplog
):
    file = tmp_path / "prices.json"
    with caplog.at_level(logging.ERROR, logger="churnkit.server"):
        app = create_app(model, prices=str(file), poll_seconds=0.0)
        told = alone(ask, app, members[:20])
    assert "each customer is decided on alone" in caplog.text
    assert len(caplog.records) == 1
    assert told == [
        dict(one) | {"prediction_id": t["prediction_id"]}
        for one, t in zip(alone(ask, create_app(model), members[:20]), told, strict=True)
    ]
    write_prices(file, planned.plan.shadow_prices, model.catalogue)
    again = alone(ask, app, members[:20])
    assert (
        np.array([one["cost"] for one in again]).sum()
        < np.array([one["cost"] for one in told]).sum()
    )
