"""The query for a warehouse: it parses in every dialect, and PostgreSQL runs it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from churnkit.cli.main import run
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.timeline import DIALECTS, Count, InactivityChurn, build, to_sql

UNTIL = "2025-12-31"


@pytest.fixture
def labeled(plan, label):
    """The plan with each label: once with every feature, else with one, for labels are apart."""
    features = plan.features if isinstance(label, InactivityChurn) else {"rows": Count("events")}
    return replace(plan, label=label, features=features)


@pytest.fixture(scope="module")
def built(raw):
    """Function that builds the rows of a plan, once for each plan."""
    tables: dict[str, list[dict[str, Any]]] = {}

    def build_once(plan):
        key = plan.to_json()
        if key not in tables:
            tables[key] = build(plan, raw, known_until=UNTIL).to_pylist()
        return tables[key]

    return build_once


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_query_parses_back_in_its_dialect(labeled, dialect):
    text = to_sql(labeled, dialect)
    parsed = sqlglot.parse_one(text, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(parsed, exp.Select)
    assert [one.alias_or_name for one in parsed.selects] == list(labeled.column_names)
    sources = {table.name for table in parsed.find_all(exp.Table)}
    assert {name for name in sources if not name.startswith("ck_")} == {
        table.source for table in labeled.tables
    }
    assert not list(parsed.find_all(exp.Command))
    # sqlglot writes the epoch of PostgreSQL in either case.
    assert parsed.sql(dialect=dialect, pretty=True).lower() == text.strip().lower()


@pytest.mark.parametrize("dialect", DIALECTS[2:])
def test_the_command_line_prints_it(dialect, capsys):
    recipe = Path(__file__).parents[2] / "training" / "subscriptions.py"
    assert run(["features", str(recipe), "--sql", "--dialect", dialect]) == 0
    sqlglot.parse_one(capsys.readouterr().out, read=dialect)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"])
def test_the_query_does_not_depend_on_the_zone_of_the_session(labeled, raw, built, zone):
    import duckdb

    with duckdb.connect() as con:
        con.execute(f"SET TimeZone = '{zone}'")
        for name, rows in raw.items():
            con.register(name, as_arrow(rows))
        cursor = con.execute(to_sql(labeled, "duckdb"))
        names = [column[0] for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in found:
        row[labeled.as_of] = row[labeled.as_of].replace(tzinfo=UTC)
    found.sort(key=lambda row: (row["as_of"], row["customer"]))
    assert not _same(found, built(labeled))


def test_spark_refuses_a_session_in_another_zone(plan):
    for dialect in ("spark", "databricks"):
        assert "ASSERT_TRUE(" in to_sql(plan, dialect)
        assert "CURRENT_TIMEZONE()" in to_sql(plan, dialect)


def test_snowflake_returns_the_names_of_the_timeline(plan):
    parsed = sqlglot.parse_one(to_sql(plan, "snowflake"), read="snowflake")
    assert isinstance(parsed, exp.Query)
    names = [column.args["alias"] for column in parsed.selects]
    assert [(name.name, name.quoted) for name in names] == [(n, True) for n in plan.column_names]


@pytest.fixture(scope="module")
def connection(postgres, raw):
    """A connection to PostgreSQL with the raw tables."""
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        connection.execute(text("SET TIME ZONE 'UTC'"))
        connection.execute(text("CREATE SCHEMA warehouse"))
        connection.execute(text("SET search_path TO warehouse"))
        for name, rows in raw.items():
            _load(connection, name, as_arrow(rows))
        connection.commit()
        yield connection
    engine.dispose()


def _load(connection, name, table):
    from sqlalchemy import text

    kinds = {field.name: _kind(field.type) for field in table.schema}
    columns = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
    connection.execute(text(f'CREATE TABLE "{name}" ({columns})'))
    values = ", ".join(f"CAST(:c{place} AS {kind})" for place, kind in enumerate(kinds.values()))
    rows = [
        {f"c{place}": row[column] for place, column in enumerate(kinds)}
        for row in table.to_pylist()
    ]
    connection.execute(text(f'INSERT INTO "{name}" VALUES ({values})'), rows)  # noqa: S608


def _kind(arrow):
    if pa.types.is_timestamp(arrow):
        return "timestamptz" if arrow.tz else "timestamp"
    if pa.types.is_integer(arrow):
        return "bigint"
    if pa.types.is_floating(arrow):
        return "double precision"
    return "boolean" if pa.types.is_boolean(arrow) else "text"


def _same(found, expected):
    assert len(found) == len(expected)
    return [
        (name, row[name], other[name])
        for row, other in zip(found, expected, strict=True)
        for name in other
        if not _alike(row[name], other[name])
    ]


def _alike(one, other):
    if one is None or other is None:
        return one is other
    return one == other if not hasattr(other, "tzinfo") else one.timestamp() == other.timestamp()


@pytest.mark.server
def test_postgresql_gives_every_feature_bit_for_bit(connection, plan, built):
    assert not _same(_asked(connection, plan), built(plan))


@pytest.mark.server
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_postgresql_gives_the_same_in_another_zone(connection, labeled, built, zone):
    from sqlalchemy import text

    connection.execute(text(f"SET TIME ZONE '{zone}'"))
    try:
        found = _asked(connection, labeled)
    finally:
        connection.execute(text("SET TIME ZONE 'UTC'"))
    assert not _same(found, built(labeled))


@pytest.mark.server
def test_postgresql_gives_every_label(connection, labeled, built):
    assert not _same(_asked(connection, labeled), built(labeled))


def _asked(connection, plan):
    found = connection.exec_driver_sql(to_sql(plan, "postgres").replace("%", "%%"))
    rows = [dict(row) for row in found.mappings()]
    for row in rows:
        if row[plan.as_of].tzinfo is None:
            row[plan.as_of] = row[plan.as_of].replace(tzinfo=UTC)
    return sorted(rows, key=lambda row: (row[plan.as_of], row[plan.entity]))
