"""Return rate of the products that a customer bought: churnkit and hand-written DuckDB SQL.

Run ``python -m benchmarks.related_features``. For each customer and date: the mean return rate of
the products of the last 90 days and the rate of the latest product, both over 365 days, from the
orders and returns of all other customers. Both ways give the same table, which is checked. Each
measurement has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.publish import machine, publish

if TYPE_CHECKING:
    import pyarrow as pa

DATES = ("2025-01-01", "2025-03-01", "2025-05-01", "2025-07-01")
UNTIL = "2025-07-20"
ORDERS_EACH, DAYS = 20, 560
WAYS = ("SQL", "churnkit, without", "churnkit")


def write_tables(folder: Path, orders: int, seed: int) -> None:
    """Write orders of products of unequal popularity, a tenth of them returned within 30 days."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    customers, products = orders // ORDERS_EACH, max(orders // 500, 10)
    start = np.datetime64("2024-01-01", "us").astype(np.int64)
    at = start + rng.integers(0, DAYS * 86_400, orders) * 1_000_000
    product = (products * rng.random(orders) ** 2).astype(np.int64)
    customer = rng.integers(0, customers, orders)
    back = rng.random(orders) < 0.02 + 0.16 * (product % 10) / 10
    later = at[back] + rng.integers(3_600, 30 * 86_400, int(back.sum())) * 1_000_000
    for name, rows, moments in (("orders", slice(None), at), ("returns", back, later)):
        moment = pa.array(moments).cast(pa.timestamp("us", "UTC"))
        columns = {"customer": customer[rows], "product": product[rows], "at": moment}
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def by_churnkit(folder: Path, *, related: bool) -> pa.Table:
    from churnkit.timeline import (
        ActiveWithin,
        Count,
        Ratio,
        Related,
        Snapshots,
        Table,
        Timeline,
        build,
    )

    columns = {"product": "integer"}
    tables = [
        Table(name, "customer", happened="at", columns=columns) for name in ("orders", "returns")
    ]
    rate = Ratio(Count("returns", window_days=365), Count("orders", window_days=365))
    features: dict[str, Any] = {"orders_90d": Count("orders", window_days=90)}
    if related:
        features["mean_rate"] = Related("orders", "product", rate, window_days=90)
        features["last_rate"] = Related("orders", "product", rate, window_days=90, combine="last")
    timeline = Timeline(tables, features, Snapshots(dates=DATES), ActiveWithin("orders", days=90))
    files = {name: folder / f"{name}.parquet" for name in ("orders", "returns")}
    return build(timeline, files, known_until=UNTIL, threads=2)


def by_sql(folder: Path) -> pa.Table:
    """Run one query a date, as an expert would write it."""
    import duckdb
    import pyarrow as pa

    con = duckdb.connect(config={"threads": 2})
    con.execute("SET TimeZone = 'UTC'")
    parts = []
    for date in DATES:
        as_of = f"TIMESTAMPTZ '{date}'"
        year = f'"at" < {as_of} AND "at" >= {as_of} - INTERVAL 365 DAY'
        counts = [
            f"SELECT customer, product, count(*) AS n FROM read_parquet('{folder}/{name}.parquet') "  # noqa: S608
            f"WHERE {year} GROUP BY ALL"
            for name in ("orders", "returns")
        ]
        parts.append(
            con.sql(
                f"""
                WITH o AS MATERIALIZED ({counts[0]}), r AS MATERIALIZED ({counts[1]}),
                all_o AS (SELECT product, sum(n) AS n FROM o GROUP BY 1),
                all_r AS (SELECT product, sum(n) AS n FROM r GROUP BY 1),
                recent AS MATERIALIZED (
                    SELECT customer, product, count(*) AS n, max(epoch("at")::BIGINT * 1000000 + product) AS latest
                    FROM read_parquet('{folder}/orders.parquet')
                    WHERE "at" < {as_of} AND "at" >= {as_of} - INTERVAL 90 DAY GROUP BY 1, 2),
                rates AS (
                    SELECT recent.*, (coalesce(all_r.n, 0) - coalesce(r.n, 0))
                        / nullif(all_o.n - o.n, 0)::DOUBLE AS rate
                    FROM recent LEFT JOIN all_o USING (product) LEFT JOIN all_r USING (product)
                    LEFT JOIN o USING (customer, product) LEFT JOIN r USING (customer, product))
                SELECT customer, {as_of} AS as_of, sum(n)::BIGINT AS orders_90d,
                    sum(rate * n) / sum(n) FILTER (WHERE rate IS NOT NULL) AS mean_rate,
                    arg_max_null(rate, latest) AS last_rate
                FROM rates GROUP BY 1 ORDER BY 1
                """  # noqa: S608
            ).to_arrow_table()
        )
    return pa.concat_tables(parts)


def measure(way: str, folder: Path) -> dict[str, Any]:
    """Measure here, and compare with the table of the first way, or write it."""
    import pyarrow.parquet as pq

    start = time.process_time()
    found = by_sql(folder) if way == "SQL" else by_churnkit(folder, related=way == "churnkit")
    figures = {
        "way": way,
        "cpu_seconds": time.process_time() - start,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        "rows": found.num_rows,
    }
    expected = folder / "expected.parquet"
    if way == "SQL":
        pq.write_table(found, expected)
    else:
        figures["same"] = _is_same(found, pq.read_table(expected))
    return figures


def _is_same(found: pa.Table, expected: pa.Table) -> bool:
    names = [name for name in found.column_names if name != "as_of"]
    return found.num_rows == expected.num_rows and all(
        np.allclose(
            np.asarray(found[name].to_numpy(), dtype=np.float64),
            np.asarray(expected[name].to_numpy(), dtype=np.float64),
            rtol=1e-12, atol=0.0, equal_nan=True,
        )
        for name in names
    )  # fmt: skip


def section(results: dict[str, Any]) -> str:
    lines = [
        "## Features of related products",
        "",
        (
            f"`python -m benchmarks.related_features`: {results['orders']:,} orders of "
            f"{results['orders'] // ORDERS_EACH:,} customers and {results['orders'] // 500:,} "
            f"products, {len(DATES)} dates, two features of the products' return rates; CPU time "
            f"of all threads with imports, better of two runs, on {results['processor']}. Both ways "
            "give the same table; `without` is churnkit with the count of orders alone."
        ),
        "",
        "| way | CPU s | peak MB |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {one['way']} | {one['cpu_seconds']:.1f} | {one['peak_mb']:,.0f} |"
        for one in results["runs"]
    ]
    return "\n".join(
        [*lines, "", f"churnkit takes {results['times_sql']:.2f} times the CPU time of SQL."]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure[0], Path(arguments.measure[1]))))
        return
    with tempfile.TemporaryDirectory(prefix="churnkit-benchmark-") as folder:
        write_tables(Path(folder), arguments.orders, seed=0)
        command = [sys.executable, "-m", "benchmarks.related_features", "--measure"]
        runs = [
            json.loads(
                subprocess.run(
                    [*command, way, folder], capture_output=True, text=True, check=True
                ).stdout
            )
            for _ in range(2)
            for way in WAYS
        ]
    if not all(one.get("same", True) for one in runs):
        raise SystemExit("not the same table")
    best = [
        min((one for one in runs if one["way"] == way), key=lambda one: one["cpu_seconds"])
        for way in WAYS
    ]
    results = {
        **machine("duckdb", "sqlglot"),
        "orders": arguments.orders,
        "runs": best,
        "times_sql": best[2]["cpu_seconds"] / best[0]["cpu_seconds"],
    }
    publish("related_features", results, section(results))
    print(section(results))


if __name__ == "__main__":
    main()
