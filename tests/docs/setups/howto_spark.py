import os
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq

from churnkit.datasets import simulate


def names(reader):
    from pyspark.sql import SparkSession  # type: ignore[import-not-found,unused-ignore]

    spark = SparkSession.getActiveSession()
    zone = spark.conf.get("spark.sql.session.timeZone")
    tables = simulate(customers=4_000, seed=0).tables
    warehouse = reader.folder / "warehouse"
    spark.sql(f"CREATE DATABASE retention LOCATION '{warehouse}'")
    for name in ("events", "subscriptions"):
        folder = reader.folder / "lake" / "raw" / name
        folder.mkdir(parents=True)
        pq.write_table(pa.table(tables[name]), folder / "part-0.parquet")
        spark.read.parquet(str(folder)).write.saveAsTable(f"retention.{name}")
    os.environ["LAKE"] = str(reader.folder / "lake")
    values = {
        "schema": "spark_catalog.retention",
        "as_of": "2025-05-01",
        "model": "models:/subscriptions@champion",
    }
    yield {
        "dbutils": SimpleNamespace(
            widgets=SimpleNamespace(get=values.__getitem__),
            secrets=SimpleNamespace(get=lambda _scope, _key: f"sqlite:///{reader.folder}/other.db"),
        )
    }
    for name in ("LAKE", "CHURNKIT_JOURNAL"):
        os.environ.pop(name, None)
    spark.sql("DROP DATABASE retention CASCADE")
    spark.conf.set("spark.sql.session.timeZone", zone)
