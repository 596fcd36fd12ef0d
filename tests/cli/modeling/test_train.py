"""The command to score that training prints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from churnkit.cli.modeling.train import _describe_customers, _keep_files
from churnkit.pipeline import Recipe
from churnkit.timeline import ActiveWithin, Count, InactivityChurn, Snapshots, Table, Timeline


def recipe_of(happened: str, data: Any) -> Recipe:
    timeline = Timeline(
        tables=[Table("orders", "customer_id", happened=happened)],
        features={"orders_90d": Count("orders", window_days=90)},
        snapshots=Snapshots(dates=("1998-01-01", "1998-04-01")),
        eligible=ActiveWithin("orders", days=90),
        label=InactivityChurn("orders", horizon_days=90),
    )
    schema: Any = SimpleNamespace
    return Recipe(schema=schema, data=data, timeline=timeline)


@pytest.mark.parametrize(
    ("last", "midnight"),
    [
        ("1998-06-30", "1998-07-01"),
        ("1998-06-30 17:30:00", "1998-07-01"),
        ("1998-07-04", "1998-07-05"),
    ],
)
@pytest.mark.parametrize(("happened", "name"), [("at", "FILE"), ("file_date", "FOLDER")])
def test_the_date_is_the_midnight_after_the_last_row(tmp_path, happened, name, last, midnight):
    file = tmp_path / "orders.csv"
    file.write_text(f"customer_id,{happened}\nc1,1997-01-01\nc2,{last}\n", encoding="utf-8")
    recipe, tables = _keep_files(recipe_of(happened, lambda: {"orders": file}))
    recipe.data()  # type: ignore[operator]
    assert _describe_customers(recipe, tables) == f"{name} --as-of {midnight}"


def test_tables_in_memory_are_not_kept_and_the_last_label_gives_the_date():
    recipe, tables = _keep_files(recipe_of("at", lambda: {"orders": [{"customer_id": "c"}]}))
    recipe.data()  # type: ignore[operator]
    assert tables == {}
    assert _describe_customers(recipe, tables) == "FILE --as-of 1998-06-30"
