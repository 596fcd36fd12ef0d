"""Time to score 100,000 customers inside a database, and the alternative of a table of nodes.

Run ``python -m benchmarks.score_sql [--postgres URL]``; the rows are simulated, the model is 300
LightGBM trees. The statement is compared with the same trees as a table of nodes, joined level by
level, on fewer rows because the join holds every row once a tree.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.predict import Customers
from benchmarks.publish import machine, publish
from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Contract
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.datasets import simulate
from churnkit.models import Calibration, LightGBMTrees

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 100_000
JOINED = 2_000
TREES = 300


def cpu_seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


def node_tables(model: RetentionModel, X: np.ndarray[Any, Any]) -> dict[str, pa.Table]:
    """Return the trees as a table of nodes, and the codes of all rows in long form."""
    layout = model.contents.scorer.layout  # type: ignore[attr-defined]
    binning, traversal = layout.binning, layout.traversal
    codes = binning.encode(X)
    inputs, rows = codes.shape
    # Each code that a node sends right, so that one comparison of the join decides.
    right = [
        (node, code)
        for node, source in enumerate(binning.node_input.tolist())
        for code in np.flatnonzero(
            traversal.table[traversal.begin[node] :][: binning.inputs[source].n_codes]
            > traversal.cut[node]
        ).tolist()
    ]
    return {
        "codes": pa.table(
            {
                "row": np.tile(np.arange(rows), inputs),
                "input": np.repeat(np.arange(inputs), rows),
                "code": codes.reshape(-1).astype(np.int32),
            }
        ),
        "nodes": pa.table(
            {
                "node": np.arange(len(traversal.left)),
                "input": traversal.number,
                "lower": traversal.left,
                "upper": traversal.right,
            }
        ),
        "rightward": pa.table({"node": [n for n, _ in right], "code": [c for _, c in right]}),
        "roots": pa.table({"tree": np.arange(len(traversal.root)), "root": traversal.root}),
        "leaves": pa.table(
            {"leaf": ~np.arange(len(layout.leaf_values)), "value": layout.leaf_values}
        ),
    }


JOINS = """
WITH RECURSIVE walk AS (
  SELECT row, tree, root AS node FROM (SELECT DISTINCT row FROM codes), roots
  UNION ALL
  SELECT walk.row, walk.tree,
    CASE WHEN rightward.node IS NULL THEN nodes.lower ELSE nodes.upper END
  FROM walk JOIN nodes ON walk.node = nodes.node
  JOIN codes ON codes.row = walk.row AND codes.input = nodes.input
  LEFT JOIN rightward ON rightward.node = nodes.node AND rightward.code = codes.code
)
SELECT row, sum(value ORDER BY tree) FROM walk JOIN leaves ON walk.node = leaves.leaf
GROUP BY row ORDER BY row
"""


def in_postgres(url: str, model: RetentionModel, table: pa.Table) -> float:
    """Return the CPU seconds of PostgreSQL's process for this connection, on this machine."""
    import psutil  # type: ignore[import-untyped]
    import psycopg

    kinds = {"int64": "bigint", "double": "float8", "bool": "boolean"}
    listed = ", ".join(f'"{f.name}" {kinds.get(str(f.type), "text")}' for f in table.schema)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE customers ({listed})".encode())
        with cursor.copy("COPY customers FROM STDIN") as copy:
            for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
                copy.write_row(row)
        cursor.execute("SET jit = off")
        process = psutil.Process(connection.info.backend_pid)
        start = sum(process.cpu_times()[:2])
        cursor.execute(model.to_sql("postgres").encode())
        cursor.fetchall()
        return float(sum(process.cpu_times()[:2]) - start)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--postgres", help="URL of a PostgreSQL database on this machine.")
    arguments = parser.parse_args()
    table = simulate(customers=20_000, seed=0).snapshot(horizon_days=90)
    contract = Contract.from_schema(Customers)
    X = TableEncoder(contract).encode(table).features
    y = np.asarray(table["churned"].to_numpy(zero_copy_only=False), dtype=np.int8)
    trees = LightGBMTrees(
        rounds=TREES, num_leaves=31, categorical_features=contract.categorical_features
    ).fit(X, y)
    model = RetentionModel(ModelContents(contract, trees.scorer_, Calibration.identity()))
    columns = [contract.entity.name, *contract.feature_names]
    large = pa.concat_tables([table] * (ROWS // table.num_rows + 1)).slice(0, ROWS)
    large = large.select(columns).combine_chunks()
    results: dict[str, Any] = {**machine("duckdb", "numpy"), "rows": ROWS, "trees": TREES}
    predicted, expected = cpu_seconds(lambda: model.predict(large))
    writing, statement = cpu_seconds(model.to_sql)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.register("customers", large)
        scoring, scores = cpu_seconds(lambda: connection.sql(statement).to_arrow_table())
        connection.register("customers", large.slice(0, 0))
        planning, _ = cpu_seconds(lambda: connection.sql(statement).to_arrow_table())
        for name, rows in node_tables(model, X[:JOINED]).items():
            connection.register(name, rows)
        joining, joined = cpu_seconds(lambda: connection.sql(JOINS).fetchnumpy())
    probabilities = expected["churn_probability"].to_numpy()
    differ = int((scores["churn_probability"].to_numpy() != probabilities).sum())
    raw = model.contents.scorer.raw_score(X[:JOINED])
    assert np.array_equal(next(reversed(joined.values())), raw)
    results |= {
        "statement_bytes": len(statement.encode()),
        "different_probabilities": differ,
        "cpu_seconds": {
            "write the statement": writing,
            "DuckDB, no rows": planning,
            "DuckDB": scoring,
            "RetentionModel.predict": predicted,
            "DuckDB, a table of nodes joined": joining * ROWS / JOINED,
        },
        "rows_joined": JOINED,
    }
    if arguments.postgres:
        results["cpu_seconds"]["PostgreSQL"] = in_postgres(arguments.postgres, model, large)
    publish("score_sql", results, section(results))


def section(results: dict[str, Any]) -> str:
    return "\n".join(
        [
            "## Scoring inside a database",
            "",
            (
                f"`python -m benchmarks.score_sql`: {results['rows']:,} simulated customers, "
                f"{results['trees']} trees as one statement of "
                f"{results['statement_bytes'] / 1e6:.2f} MB, one thread, on {results['processor']}. "
                f"{results['different_probabilities']} of the probabilities on DuckDB "
                f"{results['packages']['duckdb']} differ from those of `predict` in any bit."
            ),
            "",
            "| step | CPU s |",
            "|---|---:|",
            *(f"| {name} | {seconds:.2f} |" for name, seconds in results["cpu_seconds"].items()),
            "",
            (
                f"The join of nodes was measured on {results['rows_joined']:,} customers and is shown "
                "for the same number of rows."
            ),
        ]
    )


if __name__ == "__main__":
    main()
