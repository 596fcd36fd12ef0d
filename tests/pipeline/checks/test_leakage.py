"""The leakage guard of a training run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnkit.contracts import Schema, entity, feature, label
from churnkit.errors import RecipeError
from churnkit.pipeline.recipe import Recipe
from churnkit.pipeline.training.data.dataset import prepare
from churnkit.timeline import LeakageError


class Club(Schema):
    member: str = entity()
    visits: int = feature(ge=0)
    town: str = feature(isin=["north", "south"])
    refund: float = feature(nullable=True)
    card: int = feature()
    left: bool = label()


def members(rows=600):
    generator = np.random.default_rng(0)
    left = generator.random(rows) < 0.3
    return pa.table(
        {
            "member": [f"m{row}" for row in range(rows)],
            "visits": generator.poisson(np.where(left, 3, 5)),
            "town": generator.choice(["north", "south"], rows),
            "refund": pa.array(np.where(left, 9.5, np.nan), from_pandas=True),
            "card": generator.permutation(rows) + 10_000,
            "left": left,
        }
    )


RECIPE = Recipe(schema=Club, data=members, name="club")
FOUND = ("CK101:refund", "CK103:card")


def test_a_column_of_leavers_alone_and_an_id_are_refused_by_code_and_name():
    with pytest.raises(LeakageError) as refused:
        prepare(RECIPE, members())
    assert {f"{leak.code}:{leak.column}" for leak in refused.value.leaks} >= set(FOUND)
    assert "waive=" in str(refused.value)


def test_waived_findings_are_trained_on_and_reported():
    with pytest.raises(LeakageError) as refused:
        prepare(RECIPE, members())
    every = tuple(f"{leak.code}:{leak.column}" for leak in refused.value.leaks)
    data = prepare(replace(RECIPE, waive=every), members())
    assert all(any(one.partition(":")[2] in message for message in data.waived) for one in every)


def test_a_waiver_of_no_feature_is_refused():
    with pytest.raises(RecipeError, match="CK101:nothing"):
        prepare(replace(RECIPE, waive=("CK101:nothing",)), members())


def test_numbers_that_came_as_text_are_judged_as_numbers():
    table = members().drop_columns(["refund", "card"])
    spend = [f"{row + 0.25}" for row in range(len(table))]
    table = table.append_column("refund", pa.array(spend))
    table = table.append_column("card", pa.array(["7"] * len(table)))
    assert prepare(RECIPE, table).waived == ()
