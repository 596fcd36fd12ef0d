import churnkit
from churnkit.pipeline.project_templates import serving_folder
from churnkit.server import pack, serve


def names(reader):
    model = churnkit.load("models:/shop@champion", project=reader.project)
    columns = [column.name for column in model.contract.required("predict")]
    rows = [{name: row[name] for name in columns} for row in reader.rows(3, seed=3)]
    tag = pack(model, name="shop", serving=serving_folder(reader.project.root))
    with serve(tag) as service:
        yield {"service_url": service.url, "customers": rows}
