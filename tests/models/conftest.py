"""Customers with a known chance to leave."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="session")
def customers():
    """Draw numbers, a bent number, a category, missing values, outcomes and their chances."""

    def draw(size=1500, seed=0):
        rng = np.random.default_rng(seed)
        tenure = rng.exponential(20, size).round()
        charge = rng.normal(60, 20, size)
        contract = rng.integers(0, 3, size)
        logit = 1.2 - 0.08 * np.minimum(tenure, 40) + 0.015 * (charge - 60)
        logit = logit + np.array([0.8, -0.3, -1.5])[contract]
        chance = 1 / (1 + np.exp(-logit))
        churned = (rng.random(size) < chance).astype(int)
        X = np.column_stack([tenure, charge, contract, rng.normal(size=size)])
        X[rng.random(size) < 0.05, 1] = np.nan
        return X, churned, chance

    return draw


@pytest.fixture(scope="module")
def text_customers():
    """A frame with a column of text, and who churned."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "plan": rng.choice(["basic", "pro"], 400),
            "months": rng.integers(0, 60, 400).astype(float),
            "spend": rng.normal(50, 10, 400),
        }
    )
    risk = 1 / (1 + np.exp(0.08 * frame["months"] - 1.5))
    return frame, (rng.random(400) < risk).to_numpy()
