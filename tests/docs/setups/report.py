import json

import numpy as np

from churnkit.contracts import Column
from churnkit.datasets import simulate
from churnkit.insights.customer_base import CustomerBase
from churnkit.insights.segmentation.kmeans import find_clusters


def names(_reader):
    rng = np.random.default_rng(0)
    columns = tuple(Column(name, "number", ("feature",)) for name in ("uses", "seats"))
    matrix = np.concatenate([rng.poisson(5, (200, 2)), rng.poisson(40, (200, 2))]).astype(float)
    nobody = np.arange(0), np.zeros((0, 3))
    base = CustomerBase(columns, matrix, np.full(400, 0.1), None, None, *nobody, None)
    yield {
        "subscriptions": simulate(customers=300, months=14, seed=1).tables["subscriptions"],
        "written": json.dumps({"clusters": find_clusters(base)[0].to_dict()}),
    }
