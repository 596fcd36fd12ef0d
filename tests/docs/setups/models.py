"""Objects for docs/models.md: customers and their labels."""

import numpy as np
import pandas as pd


def names(_reader):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 2)), columns=["fee", "visits"])
    X["plan"] = rng.integers(0, 3, 300)
    left = (X["fee"] + rng.normal(size=300) > 0.5).astype(int)
    yield {
        "X": X,
        "left": left,
        "held_out_probability": rng.random(300),
        "held_out_churned": left,
    }
