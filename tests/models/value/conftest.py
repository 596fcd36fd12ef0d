"""Customers drawn from the processes that the models assume."""

import numpy as np
import pytest


def history_of(moments, end):
    """Return frequency and recency of purchase moments after the first one."""
    inside = moments[moments < end]
    return len(inside), (inside[-1] if len(inside) else 0.0)


@pytest.fixture(scope="session")
def draw_buyers():
    """Draw histories whose customers leave after a purchase, or at any moment.

    With `follow`, a fourth row is the time from the end to the next purchase, inf without one.
    """

    def draw(process, size, *, seed, end=40.0, follow=0.0, **at):
        rng = np.random.default_rng(seed)
        rates = rng.gamma(at["r"], 1 / at["alpha"], size)
        ends = rng.uniform(end / 2, end, size)
        rows = np.full((size, 4), np.inf)
        for place in range(size):
            moments = np.cumsum(rng.exponential(1 / rates[place], 400))
            if process == "pareto":
                leaves = rng.exponential(1 / rng.gamma(at["s"], 1 / at["beta"]))
                moments = moments[moments < leaves]
            else:
                chances = rng.random(401) < rng.beta(at["a"], at["b"])
                chances = chances[1:] if process == "bg" else chances
                # With "mbg" the first coin falls at time zero, before any repeat purchase.
                last = int(np.argmax(chances)) if chances.any() else 401
                moments = moments[: last + 1] if process == "bg" else moments[:last]
            rows[place, :3] = (*history_of(moments, ends[place]), ends[place])
            later = moments[moments >= ends[place]] - ends[place]
            if len(later) and later[0] <= follow:
                rows[place, 3] = later[0]
        return rows.T if follow else rows[:, :3].T

    return draw


@pytest.fixture(scope="session")
def buyers(draw_buyers):
    return draw_buyers("bg", 1500, seed=0, r=0.6, alpha=4.0, a=0.9, b=2.5)
