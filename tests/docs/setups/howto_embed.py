import churnkit


def names(reader):
    model = churnkit.load("models:/shop@champion", project=reader.project)
    model.save(reader.folder / "bundle")
    columns = [column.name for column in model.contract.required("predict")]
    rows = [{name: row[name] for name in columns} for row in reader.rows(30, seed=3)]
    yield {"bundle": reader.folder / "bundle", "customers": rows}
