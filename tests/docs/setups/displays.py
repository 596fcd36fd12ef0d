"""Objects for docs/displays.md: a fitted classifier and durations."""

import numpy as np
import pytest


def names(_reader):
    pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed").use("Agg")
    import matplotlib.pyplot as plt

    from churnkit.models import LogisticModel

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    left = (X[:, 0] + rng.normal(size=200) > 0.5).astype(int)
    model = LogisticModel(C=1.0).fit(X, left)
    yield {
        "X": X,
        "left": left,
        "model": model,
        "probability": model.predict_proba(X)[:, 1],
        "months": rng.integers(1, 12, 200),
        "churned": left,
        "plan": np.where(X[:, 1] > 0, "year", "month"),
    }
    plt.close("all")
