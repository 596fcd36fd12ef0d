import numpy as np
import pandas as pd

DAYS = 730


def names(_reader):
    """Two years of orders, from customers who leave unseen, and renewals of contracts."""
    rng = np.random.default_rng(0)
    parts = []
    for customer in range(800):
        first = rng.integers(0, 400)
        buys_for = np.minimum(rng.exponential(300.0), DAYS - first)
        count = rng.poisson(rng.gamma(0.8, 0.03) * buys_for)
        days = first + np.append(0.0, rng.uniform(0.0, buys_for, size=count))
        amount = rng.gamma(6.0, rng.gamma(4.0, 2.0), size=count + 1)
        parts.append(pd.DataFrame({"customer_id": customer, "day": days, "amount": amount}))
    orders = pd.concat(parts, ignore_index=True)
    orders["date"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(orders.pop("day").round(), "D")
    paid = np.arange(800) % 2
    leaves = rng.geometric(rng.beta(0.5 + 0.5 * paid, 2.0))
    observed = rng.integers(1, 9, 800)
    contracts = pd.DataFrame(
        {
            "renewals": np.minimum(leaves, observed),
            "churned": leaves <= observed,
            "paid_search": paid,
        }
    )
    yield {"orders": orders, "contracts": contracts}
