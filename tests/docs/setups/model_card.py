import numpy as np

from churnkit.models import LogisticModel
from schemas.telco import Telco


def names(_reader):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_200, 2))
    probability = 1.0 / (1.0 + np.exp(-X[:, 0]))
    left = (rng.random(1_200) < probability).astype(int)
    dates = np.array(["2025-01-01", "2025-04-01", "2025-07-01", "2025-10-01"], "M8[D]")
    yield {
        "Telco": Telco,
        "left": left,
        "y": left,
        "X": X,
        "probability": probability,
        "plan": rng.choice(["basic", "pro"], 1_200),
        "region": rng.choice(["north", "south", "west"], 1_200),
        "model": LogisticModel(C=1.0),
        "as_of": np.repeat(dates, 300),
        "window_days": [30, 365],
    }
