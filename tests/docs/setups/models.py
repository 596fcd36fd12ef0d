"""Objects for docs/models.md: encoded customers and their labels."""

import numpy as np


def names(_reader):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(300, 2)), rng.integers(0, 3, 300)])
    left = (X[:, 0] + rng.normal(size=300) > 0.5).astype(int)
    yield {"X": X, "left": left}
