from __future__ import annotations

import pytest

from churnkit.errors import ChurnkitError
from churnkit.pipeline import project_templates


def test_templates_are_copied_and_existing_files_kept(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "demo.py").write_text("mine")
    project_templates.copy_templates(["schemas/demo.py", "training/demo.py"], tmp_path)
    assert (tmp_path / "training" / "demo.py").read_text() == "mine"
    assert "class Demo" in (tmp_path / "schemas" / "demo.py").read_text()


def test_a_projects_own_service_goes_first(tmp_path):
    assert (
        project_templates.serving_folder(tmp_path)
        == project_templates.template_folder() / "serving"
    )
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "bentofile.yaml").write_text("")
    assert project_templates.serving_folder(tmp_path) == tmp_path / "serving"


def test_an_installation_without_templates_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(
        project_templates, "__file__", str(tmp_path / "a" / "pipeline" / "templates.py")
    )
    with pytest.raises(ChurnkitError, match="project templates are missing"):
        project_templates.template_folder()
