import churnkit


def names(reader):
    model = churnkit.load("models:/shop@champion", project=reader.project)
    model.save(reader.folder / "bundle")
    yield {"bundle": reader.folder / "bundle", "rows": reader.rows(3, seed=3)}
