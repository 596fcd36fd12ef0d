"""The command to score that training prints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from churnkit.cli.modeling.train import _describe_customers, _keep_files
from churnkit.core.io.raw_tables import raw_table
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
def test_the_date_is_the_midnight_after_the_last_row(tmp_path, monkeypatch, last, midnight):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "my orders.csv"
    file.write_text(f"customer_id,at\nc1,1997-01-01\nc2,{last}\n", encoding="utf-8")
    recipe, tables, locations = _keep_files(recipe_of("at", lambda: {"orders": file}))
    recipe.data()  # type: ignore[operator]
    described = _describe_customers(recipe, tables, locations)
    assert described == f"'my orders.csv' --as-of {midnight}"


def test_tables_in_memory_are_not_kept_and_the_last_label_gives_the_date():
    kept = _keep_files(recipe_of("at", lambda: {"orders": [{"customer_id": "c"}]}))
    recipe, tables, locations = kept
    recipe.data()  # type: ignore[operator]
    assert (tables, locations) == ({}, {})
    assert _describe_customers(recipe, tables, locations) == "FOLDER --as-of 1998-06-30"


def test_the_command_names_the_folder_or_the_files_of_raw_tables(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "raw").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    rows = "customer_id,at\nc1,1998-03-31\n"
    for month in ("Jan-98", "Feb-98"):
        (tmp_path / "raw" / f"orders {month}.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "raw" / "log.csv").write_text(rows.replace(",", ";"), encoding="utf-8")
    for name, where in (
        ("orders [A-Za-z]*-[0-9]*.csv", "../raw"),
        ("log.csv", "../raw/log.csv"),
        ("../raw/orders Jan*.csv", "--table 'orders=../raw/orders Jan*.csv'"),
    ):
        path = tmp_path / "raw" / name
        recipe, tables, locations = _keep_files(
            recipe_of("at", lambda path=path: {"orders": raw_table(path)})
        )
        recipe.data()  # type: ignore[operator]
        assert _describe_customers(recipe, tables, locations).startswith(f"{where} --as-of ")
