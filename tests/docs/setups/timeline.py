from datetime import UTC, datetime

import pyarrow as pa


def names(_reader):
    ids = [f"c{index}" for index in range(300)]
    table = pa.table(
        {
            "customer_id": ids,
            "as_of": pa.array([datetime(2025, 1, 1, tzinfo=UTC)] * 300),
            "use": [float(index % 7) for index in range(300)],
            "churned": [index % 3 == 0 for index in range(300)],
        }
    )
    yield {"table": table}
