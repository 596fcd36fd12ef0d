import numpy as np

from churnkit.contracts import Schema, entity, feature, label


class Shop(Schema):
    customer_id: str = entity()
    orders: int = feature("Orders")
    churned: bool = label()


def names(_reader):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    leaves = rng.exponential(np.exp(2.2 - 0.4 * X[:, 0]))
    watched = rng.uniform(13, 20, size=600)
    duration, left = np.minimum(leaves, watched), (leaves < watched).astype(int)
    yield {
        "X": X,
        "Shop": Shop,
        "X_later": X,
        "X_today": X[:5],
        "months_watched": duration,
        "months_so_far": np.full(5, 2.0),
        "left": left,
        "start": np.zeros(600),
        "stop": duration,
        "ids": np.arange(600),
        "duration": duration,
        "event": left,
    }
