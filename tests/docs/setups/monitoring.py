import churnkit


def names(reader):
    yield {
        "model": churnkit.load("models:/shop@champion", project=reader.project),
        "customers": reader.rows(200, seed=3),
        "earlier": reader.rows(300, seed=4),
    }
