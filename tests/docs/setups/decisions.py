from churnkit.bundle import load
from churnkit.bundle.registry.quiet import quiet_mlflow


def names(reader):
    with quiet_mlflow():
        model = load("models:/shop@champion", project=reader.project)
    yield {"model": model, "customers": reader.rows(30, seed=3)}
