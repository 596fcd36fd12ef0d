from churnkit.datasets import simulate


def names(_reader):
    yield {"subscriptions": simulate(customers=300, months=14, seed=1).tables["subscriptions"]}
