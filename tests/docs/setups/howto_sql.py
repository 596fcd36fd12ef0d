import duckdb
import pyarrow as pa

import churnkit


def names(reader):
    customers = pa.Table.from_pylist(reader.rows(30, seed=3))
    model = churnkit.load("models:/shop@champion", project=reader.project)
    with duckdb.connect() as connection:
        connection.register("customers", customers)
        yield {"model": model, "connection": connection}
