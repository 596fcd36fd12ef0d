import shutil

import pytest

import churnkit
from churnkit.pipeline.project_templates import serving_folder


def names(reader):
    with pytest.MonkeyPatch.context() as patch:
        load = churnkit.load
        patch.setattr(
            churnkit, "load", lambda _: load("models:/shop@champion", project=reader.project)
        )
        churnkit.load("").save(reader.folder / "path" / "to" / "bundle")
        shutil.copytree(serving_folder(reader.project.root), reader.folder / "serving")
        yield {}
