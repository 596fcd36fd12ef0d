import pyarrow as pa
import pyarrow.parquet as pq

import churnkit


def names(reader):
    table = pa.Table.from_pylist(reader.rows(30, seed=3))
    pq.write_table(table, reader.folder / "customers.parquet")
    yield {"model": churnkit.load("models:/shop@champion", project=reader.project)}
