import numpy as np

from churnkit.evaluation import CustomerCosts


def names(_reader):
    rng = np.random.default_rng(0)
    probability = rng.uniform(0, 0.5, size=2_000)
    y = (rng.random(2_000) < probability).astype(int)
    c_fp, c_fn, c_tp = np.full(2_000, 10.0), rng.uniform(50, 200, 2_000), np.full(2_000, 30.0)
    costs = CustomerCosts(false_positive=c_fp, false_negative=c_fn, true_positive=c_tp)
    yield {
        "c_fp": c_fp,
        "c_fn": c_fn,
        "c_tp": c_tp,
        "y": y,
        "y_held_out": y,
        "probability": probability,
        "probability_held_out": probability,
        "costs_of_these": costs,
    }
