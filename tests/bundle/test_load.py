"""What a person calls a model, and what is said when nothing answers to it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("mlflow", reason="the extra 'train' is not installed")

import mlflow

import churnkit
from churnkit.bundle import Registry, load
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.core.project import Project, find_project
from churnkit.errors import BundleError, ChurnkitError, MissingExtraError, ModelNotFoundError


@contextlib.contextmanager
def mlflow_told(**settings):
    """MLflow as an embedding program set it, and as it was before."""
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(settings.get("tracking"))
    mlflow.set_registry_uri(settings.get("registry"))
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class TestFound:
    """Every name that leads to a model."""

    def test_a_folder(self, bundle):
        assert load(bundle).name == "shop"
        assert churnkit.load(str(bundle)).digest == load(bundle).digest

    @pytest.mark.parametrize(
        "name",
        ["models:/shop@champion", "models:/shop@challenger", "models:/shop/1", "models:/shop"],
    )
    def test_a_registered_model(self, trained_shop, name):
        project, result = trained_shop
        assert load(name, project=project).digest == result.digest

    def test_no_name_at_all_is_the_only_models_champion(self, trained_shop, monkeypatch):
        project, result = trained_shop
        monkeypatch.chdir(project.root / "training")
        assert churnkit.load().digest == result.digest

    def test_the_store_that_the_environment_names(self, trained_shop, tmp_path, monkeypatch):
        project, result = trained_shop
        monkeypatch.setenv("MLFLOW_TRACKING_URI", project.tracking_uri)
        assert load("models:/shop", project=Project(tmp_path)).digest == result.digest
        assert not (tmp_path / ".churnkit").exists()

    def test_the_store_that_the_embedding_program_named(self, trained_shop, tmp_path):
        project, result = trained_shop
        with mlflow_told(tracking=project.tracking_uri):
            assert load("models:/shop", project=Project(tmp_path)).digest == result.digest
            assert mlflow.get_tracking_uri() == project.tracking_uri

    def test_a_registry_apart_from_the_tracking_store(self, trained_shop, tmp_path):
        project, _ = trained_shop
        with mlflow_told(registry=project.tracking_uri):
            registry = Registry(Project(tmp_path))
            assert registry.registry_uri == project.tracking_uri
            assert registry.models() == ["shop"]

    def test_mlflow_itself_in_a_fresh_process(self, trained_shop, shop_model, rows_of_shop):
        project, _ = trained_shop
        script = (
            "import json, sys, mlflow, pandas as pd\n"
            "model = mlflow.pyfunc.load_model('models:/shop@champion')\n"
            "frame = pd.DataFrame(json.load(sys.stdin))\n"
            "print(json.dumps(model.predict(frame)['churn_probability'].tolist()))\n"
        )
        rows = rows_of_shop(20, seed=8)
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(rows),
            env={**os.environ, "MLFLOW_TRACKING_URI": project.tracking_uri},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        expected = [row["churn_probability"] for row in shop_model.predict(rows)]
        assert json.loads(done.stdout) == expected


class TestNotFound:
    """What is said when there is none."""

    def test_a_folder_that_is_not_there(self, tmp_path):
        with pytest.raises(ModelNotFoundError, match="models:/NAME@champion"):
            load(tmp_path / "none")

    def test_a_folder_that_is_no_bundle(self, tmp_path):
        with pytest.raises(BundleError, match="is not a bundle"):
            load(tmp_path)

    @pytest.mark.parametrize(
        "name",
        [
            "models:/",
            "models:/a/b/c",
            "models:/shop@",
            "models:/shop/latest",
            "models:/a@b/1",
            f"models:/shop/{10**20}",
        ],
    )
    def test_a_name_that_is_written_otherwise(self, trained_shop, name):
        with pytest.raises(ModelNotFoundError, match="models:/NAME@ALIAS"):
            load(name, project=trained_shop[0])

    @pytest.mark.parametrize(
        ("name", "says"),
        [
            ("models:/gym", "no model 'gym' .registered: shop"),
            ("models:/shop@best", "'shop' has no 'best'"),
            ("models:/shop/99", "'shop' has no version 99: choose one of"),
        ],
    )
    def test_a_name_that_is_not_registered(self, trained_shop, name, says):
        with pytest.raises(ModelNotFoundError, match=says):
            load(name, project=trained_shop[0])

    @pytest.mark.parametrize("name", ["models:/shop", None])
    def test_a_project_without_a_store_is_not_given_one(self, tmp_path, name):
        with pytest.raises(ModelNotFoundError, match="run churnkit train"):
            load(name, project=Project(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_two_models_ask_for_a_choice(self, shop_copy):
        with quiet_mlflow():
            Registry(shop_copy).client.create_registered_model("gym")
        with pytest.raises(ModelNotFoundError, match=r"2 models .*gym, shop.*--model"):
            load(project=shop_copy)

    def test_files_that_are_gone_are_named(self, shop_copy):
        import shutil

        shutil.rmtree(shop_copy.artifacts)
        with pytest.raises(ChurnkitError, match="shop version 1"):
            load("models:/shop", project=shop_copy)

    def test_a_store_that_is_damaged_is_a_refusal_without_its_password(self, tmp_path):
        (tmp_path / "broken.db").write_bytes(b"this is no database" * 500)
        uri = f"sqlite:///{tmp_path / 'broken.db'}"
        with mlflow_told(tracking=uri), pytest.raises(ChurnkitError, match="does not answer"):
            load("models:/shop", project=Project(tmp_path))
        with (
            mlflow_told(tracking="nonsense://me:secret@nowhere/db"),
            pytest.raises(ChurnkitError, match="does not answer") as caught,
        ):
            load("models:/shop", project=Project(tmp_path))
        assert "secret" not in str(caught.value)

    def test_mlflow_missing_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlflow", None)
        with pytest.raises(MissingExtraError, match=r"pip install '?mlflow"):
            load("models:/shop")


class TestBento:
    """Models in BentoML's store; those that are there are the server's tests."""

    def test_what_is_not_there_or_no_bundle_is_said(self, tmp_path):
        pytest.importorskip("bentoml", reason="the extra 'serve' is not installed")
        # In a process of its own: BentoML reads where its store is once.
        script = (
            "import json, sys\n"
            "import bentoml\n"
            "from churnkit.bundle import load\n"
            "with bentoml.models.create('foreign:1') as stored:\n"
            "    open(stored.path_of('model.pkl'), 'w').close()\n"
            "said = {}\n"
            "for tag in sys.argv[1:]:\n"
            "    try:\n"
            "        load('bento:' + tag)\n"
            "    except Exception as error:\n"
            "        said[tag] = [type(error).__name__, str(error)]\n"
            "print(json.dumps(said))\n"
        )
        tags = ["none-such", "none-such:1", "a:b:c", "", "UPPER CASE!", "foreign:1"]
        done = subprocess.run(
            [sys.executable, "-c", script, *tags],
            env={**os.environ, "BENTOML_HOME": str(tmp_path), "BENTOML_DO_NOT_TRACK": "True"},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        said = json.loads(done.stdout)
        assert {tag: kind for tag, (kind, _) in said.items()} == {
            **dict.fromkeys(tags, "ModelNotFoundError"),
            "foreign:1": "BundleError",
        }
        assert "is not a bundle" in said["foreign:1"][1]
        assert "BentoML's store" in said["none-such"][1]

    def test_bentoml_missing_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "bentoml", None)
        with pytest.raises(MissingExtraError, match=r"pip install '?bentoml"):
            load("bento:shop")


class TestProject:
    """Where a project is."""

    def test_the_nearest_folder_upwards_with_a_mark(self, tmp_path):
        (tmp_path / "training").mkdir()
        (tmp_path / "a" / "b").mkdir(parents=True)
        assert find_project(tmp_path / "a" / "b").root == tmp_path

    def test_recipes_are_the_files_of_training(self, tmp_path):
        (tmp_path / "training").mkdir()
        for name in ("b.py", "a.py", "_shared.py", "notes.md"):
            (tmp_path / "training" / name).write_text("")
        assert [path.stem for path in Project(tmp_path).recipes()] == ["a", "b"]
