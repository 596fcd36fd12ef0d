"""Tables of other libraries as customers: lazy frames of polars and relations of DuckDB."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest


def test_a_lazy_frame_and_a_relation_are_scored_as_the_table_is(model, customers):
    polars = pytest.importorskip("polars", reason="the extra 'test' is not installed")
    table = pa.Table.from_pylist(customers)
    expected = model.predict(table)["churn_probability"].to_pylist()
    lazy = polars.from_arrow(table).lazy().filter(polars.col("tenure") >= 0)
    assert model.predict(lazy)["churn_probability"].to_list() == expected
    with duckdb.connect() as connection:
        connection.register("customers", table)
        relation = connection.sql("SELECT * FROM customers WHERE tenure >= 0")
        assert model.predict(relation)["churn_probability"].to_pylist() == expected
