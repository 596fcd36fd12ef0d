"""The statement gives the same rows as `RetentionModel.predict`, on each database at hand."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
import sqlglot

from churnkit.bundle.sql.dialect import DIALECTS
from churnkit.contracts import Column
from churnkit.errors import RecipeError
from churnkit.models.calibration.maps import Calibration
from tests.bundle.sql.conftest import make_customers, make_model

KINDS = ("trees", "target encoding", "linear", "extra trees")
ISOTONIC = Calibration.isotonic(
    [-2.0, -0.5, 0.25, 1.0], [-3.0, -0.6, -0.6, 1.5], below=0.75, above=1.25
)
CALIBRATIONS = {
    "platt": Calibration.parametric("platt", 1.1, 1.1, -0.3),
    "beta": Calibration.parametric("beta", 1.2, 0.8, 0.1),
    "isotonic": ISOTONIC,
    "extreme": Calibration.parametric("platt", 60.0, 60.0, 0.0),
}


@pytest.fixture(scope="module")
def messy():
    return make_customers(4_000, seed=5, messy=True)


def in_duckdb(model, customers, **options):
    with duckdb.connect() as connection:
        connection.register("customers", customers)
        return connection.sql(model.to_sql("duckdb", **options)).to_arrow_table()


def with_intervals(model, customers):
    expected = model.predict(customers)
    ends = model.interval_columns(expected["churn_probability"].to_numpy(zero_copy_only=False))
    for place, (name, end) in enumerate(ends.items(), start=2):
        expected = expected.add_column(place, name, pa.array(end, from_pandas=True))
    return expected


def assert_same(result, expected, *, tolerance=0.0):
    assert result.column_names == expected.column_names
    assert result["problem"].to_pylist() == expected["problem"].to_pylist()
    assert result.column(0).to_pylist() == expected.column(0).to_pylist()
    for name in result.column_names[1:-1]:
        ours, theirs = (table[name].to_numpy(zero_copy_only=False) for table in (result, expected))
        assert (np.isnan(ours) == np.isnan(theirs)).all()
        assert np.nanmax(np.abs(ours - theirs)) <= tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_duckdb_gives_the_bits_of_each_kind_of_model(members, messy, kind):
    model = make_model(members[kind])
    expected = model.predict(messy)
    assert 0.1 < expected["problem"].null_count / len(expected) < 0.9
    assert_same(in_duckdb(model, messy), expected)


@pytest.mark.parametrize("name", CALIBRATIONS)
def test_duckdb_gives_the_bits_of_each_calibration_and_interval(members, messy, name):
    model = make_model(members["linear"], CALIBRATIONS[name])
    assert_same(in_duckdb(model, messy, intervals=True), with_intervals(model, messy))


def test_duckdb_gives_the_bits_of_an_ensemble_for_100_000_customers(ensemble):
    customers = make_customers(100_000, seed=9, messy=False)
    expected = ensemble.predict(customers)
    assert expected["problem"].null_count == 100_000
    assert_same(in_duckdb(ensemble, customers), expected)


def test_a_query_takes_the_place_of_a_table(ensemble, messy):
    with duckdb.connect() as connection:
        connection.register("messy", messy)
        query = "SELECT * FROM messy WHERE position < 10 -- the first"
        result = connection.sql(ensemble.to_sql(query=query)).to_arrow_table()
    assert_same(result, ensemble.predict(messy.slice(0, 10)))


@pytest.fixture(scope="module")
def connection(postgres):
    """A connection to PostgreSQL."""
    from sqlalchemy import create_engine

    engine = create_engine(postgres.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        yield connection.connection.driver_connection
    engine.dispose()


KINDS_OF = {
    pa.string(): "text", pa.float64(): "float8", pa.int64(): "bigint", pa.bool_(): "boolean",
    pa.timestamp("us"): "timestamp", pa.date32(): "date",
}  # fmt: skip


def in_postgres(connection, model, customers, **options):
    columns = ", ".join(f'"{f.name}" {KINDS_OF[f.type]}' for f in customers.schema)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS customers")
        cursor.execute(f"CREATE TEMP TABLE customers ({columns})")
        with cursor.copy("COPY customers FROM STDIN") as copy:
            for row in zip(*(column.to_pylist() for column in customers.columns), strict=True):
                copy.write_row(row)
        # As the statement's first lines say: its expressions take longer to compile than to run.
        cursor.execute("SET jit = off")
        # The planner sees the rows of a table in order, but promises none.
        statement = model.to_sql(
            "postgres", query="SELECT * FROM customers ORDER BY position", **options
        )
        cursor.execute(statement)
        names = [column.name for column in cursor.description]
        rows = cursor.fetchall()
    values = list(zip(*rows, strict=True))
    return pa.table(
        {
            name: pa.array(
                column, pa.string() if name in {"customer id", "problem"} else pa.float64()
            )
            for name, column in zip(names, values, strict=True)
        }
    )


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
def test_postgresql_gives_each_kind_of_model(connection, members, messy, kind):
    model = make_model(members[kind])
    assert_same(in_postgres(connection, model, messy), model.predict(messy), tolerance=1e-12)


@pytest.mark.server
@pytest.mark.parametrize("name", CALIBRATIONS)
def test_postgresql_gives_each_calibration_and_interval(connection, members, messy, name):
    model = make_model(members["linear"], CALIBRATIONS[name])
    result = in_postgres(connection, model, messy, intervals=True)
    assert_same(result, with_intervals(model, messy), tolerance=1e-12)


@pytest.mark.server
def test_postgresql_gives_an_ensemble_for_20_000_customers(connection, ensemble):
    # A minute for 100,000: `python -m benchmarks.score_sql` compares so many.
    customers = make_customers(20_000, seed=9, messy=False)
    result = in_postgres(connection, ensemble, customers)
    assert_same(result, ensemble.predict(customers), tolerance=1e-12)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_statement_parses_in_its_dialect(members, dialect):
    text = make_model(members["linear"], ISOTONIC).to_sql(dialect, table="crm.customers")
    parsed = sqlglot.parse_one(text, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(parsed, sqlglot.exp.Query)
    names = [column.alias_or_name for column in parsed.selects]
    assert names == ["customer id", "churn_probability", "problem"]


def test_a_name_with_a_line_break_does_not_end_the_comment():
    from churnkit.bundle import ModelContents, RetentionModel
    from churnkit.contracts import Contract
    from churnkit.models.scorers.additive import LinearScorer

    name = "visits\nDROP TABLE customers"
    columns = (Column("id", "string", ("entity",)), Column(name, "integer", ("feature",)))
    scorer = LinearScorer.straight(bias=0.0, coefficients=[-0.5], low=[0], high=[9])
    model = RetentionModel(ModelContents(Contract("gym", columns), scorer, Calibration.identity()))
    text = model.to_sql()
    head = text[: text.index("WITH")]
    assert all(line.startswith("-- ") for line in head.splitlines())


def test_an_unknown_dialect_and_a_table_that_is_no_name_are_refused(ensemble):
    with pytest.raises(RecipeError, match="unknown dialect 'oracle'; choose one of: duckdb"):
        ensemble.to_sql("oracle")
    for name in ("a; DROP TABLE b", "a b", "(SELECT 1)", "f('x')", ""):
        with pytest.raises(RecipeError, match="not the name of a table"):
            ensemble.to_sql(table=name)
    with pytest.raises(RecipeError, match="must be a query"):
        ensemble.to_sql(query="DROP TABLE b")
    with pytest.raises(RecipeError, match="cannot be read as SQL of duckdb: see line 1, column"):
        ensemble.to_sql(query="SELECT FROM WHERE")


def test_what_sql_cannot_express_exactly_is_refused_by_name(members):
    from dataclasses import replace

    from churnkit.contracts import Check, Contract

    model = make_model(members["linear"])
    size = replace(model.contract["size"], checks=(Check("matches", "[SL]"),), levels=("S", "L"))
    city = replace(model.contract["city"], missing=("nicht verfügbar",))
    numbered = replace(model.contract.entity, checks=(), numbered=True)
    for column, reason in (
        (size, "column 'size' has the rule matches"),
        (city, "column 'city' has a missing-value marker that is not ASCII"),
        (numbered, "have no id"),
    ):
        columns = tuple(column if c.name == column.name else c for c in model.contract.columns)
        contents = replace(model.contents, contract=Contract("shop", columns))
        with pytest.raises(RecipeError, match=reason):
            type(model)(contents).to_sql()


def test_an_unknown_kind_of_scorer_is_refused_by_name():
    class Other:
        kind, n_features = "neural network", 7

    with pytest.raises(RecipeError, match="of the kind 'neural network' cannot be written as SQL"):
        make_model(Other()).to_sql()


def test_a_statement_longer_than_a_database_accepts_is_refused(members, monkeypatch):
    from churnkit.bundle.sql import dialect

    monkeypatch.setitem(dialect.MAX_BYTES, "bigquery", 1_000)
    with pytest.raises(RecipeError, match=r"MB, bigquery accepts 0\.0 MB: train"):
        make_model(members["linear"]).to_sql("bigquery")
