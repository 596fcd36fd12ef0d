import re
import shutil
import subprocess
import sys

import pytest

from churnkit.bundle.model import RetentionModel
from churnkit.errors import BundleError, ChurnkitError, ModelNotFoundError
from churnkit.server import find_model, pack, serve
from churnkit.server.bento.model_store import bento_name, store_model
from churnkit.server.bento.pack import quiet_environment

pytestmark = pytest.mark.server


@pytest.fixture
def own_serving(serving, tmp_path):
    return shutil.copytree(
        serving, tmp_path / "project" / "serving", ignore=shutil.ignore_patterns("__pycache__")
    )


def test_the_same_bundle_and_service_are_packed_once(packed, bundle, model, serving, monkeypatch):
    name, version = packed.split(":")
    assert name == "gym"
    assert version.startswith(model.digest.removeprefix("sha256:")[:12])

    def fault(*_args, **_settings):
        raise AssertionError("built again")

    monkeypatch.setattr(subprocess, "run", fault)
    assert pack(bundle, name="gym", serving=serving) == packed
    assert pack(model, name="gym", serving=serving) == packed


def test_a_bento_carries_the_model_the_service_and_a_containerfile(packed, model):
    import bentoml

    bento = bentoml.get(packed)
    [info] = bento.info.all_models
    assert str(info.tag) == f"gym:{model.digest.removeprefix('sha256:')[:12]}"
    for name in ("src/service.py", "src/Containerfile", "env/docker/Dockerfile", "README.md"):
        assert bento.path_of(name), name
    requirements = (bento._path / "env" / "python" / "requirements.txt").read_text()
    assert "retention-decisions[serve]" in requirements


def test_a_stored_model_is_the_bundle_byte_for_byte(packed, bundle, model):
    import bentoml

    stored = bentoml.models.get(store_model(model, name="gym")).path_of("bundle")
    files = sorted(p.relative_to(bundle) for p in bundle.rglob("*") if p.is_file())
    for file in files:
        assert (bundle / file).read_bytes() == (type(bundle)(stored) / file).read_bytes()


def test_a_changed_service_is_another_bento(packed, bundle, own_serving, monkeypatch):
    built = []
    monkeypatch.setattr("churnkit.server.bento.pack._build", lambda *args: built.append(args))
    service = own_serving / "service.py"
    service.write_text(service.read_text() + "\n")
    changed = pack(bundle, name="gym", serving=own_serving)
    assert changed != packed
    assert changed.split("-")[0] == packed.split("-")[0]
    assert len(built) == 1


def test_a_service_that_cannot_be_imported_is_told_with_its_last_lines(
    bento_home, bundle, own_serving
):
    (own_serving / "service.py").write_text("raise ValueError('no service today')\n")
    with pytest.raises(ChurnkitError, match="no service today"):
        pack(bundle, name="gym", serving=own_serving)


def test_a_build_that_takes_too_long_is_refused_with_the_way_to_allow_more(
    bento_home, bundle, own_serving, monkeypatch
):
    def last_long(*_args, timeout, **_settings):
        raise subprocess.TimeoutExpired("bentoml", timeout, output=b"locking\nunpacking")

    monkeypatch.setenv("CHURNKIT_BUILD_SECONDS", "7.5")
    monkeypatch.setattr(subprocess, "run", last_long)
    (own_serving / "service.py").write_text("")
    with pytest.raises(ChurnkitError, match=r"in 7\.5 s: .*set CHURNKIT_BUILD_SECONDS") as caught:
        pack(bundle, name="gym", serving=own_serving)
    assert str(caught.value).endswith("longer time:\nlocking\nunpacking")


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_limit_of_builds_is_a_positive_number(bento_home, bundle, own_serving, monkeypatch, text):
    monkeypatch.setenv("CHURNKIT_BUILD_SECONDS", text)
    (own_serving / "service.py").write_text("")
    with pytest.raises(ChurnkitError, match="CHURNKIT_BUILD_SECONDS must be a number"):
        pack(bundle, name="gym", serving=own_serving)


def test_a_folder_without_a_bentofile_is_refused(bento_home, bundle, tmp_path):
    with pytest.raises(ChurnkitError, match="bentofile"):
        pack(bundle, name="gym", serving=tmp_path)


def test_a_changed_bundle_is_not_packed(bento_home, bundle, serving, tmp_path):
    damaged = shutil.copytree(bundle, tmp_path / "damaged")
    (damaged / "card.json").write_bytes(b'{"rows": 8}')
    with pytest.raises(BundleError, match=r"card\.json"):
        pack(damaged, name="gym", serving=serving)


def test_a_model_that_was_never_saved_is_not_packed(bento_home, model, serving):
    with pytest.raises(BundleError, match="never been saved"):
        pack(RetentionModel(model.contents), name="gym", serving=serving)


@pytest.mark.parametrize(
    ("name", "spelled"),
    [("telco", "telco"), ("Telco EU", "telco-eu"), ("..", "model"), ("é", "model"), ("A_b", "a_b")],
)
def test_a_registered_name_is_spelled_as_bentoml_can(name, spelled):
    assert bento_name(name) == spelled


def test_the_named_model_goes_before_the_packed_one(packed, bundle, tmp_path, monkeypatch):
    from bentoml import get

    inside = get(packed).path_of("src/service.py")
    monkeypatch.delenv("CHURNKIT_MODEL", raising=False)
    found = find_model(inside)
    assert found.model.name == "gym"
    assert found.tag == found.packed
    other = tmp_path / "other"
    RetentionModel.load(bundle).save(other, name="other")
    monkeypatch.setenv("CHURNKIT_MODEL", str(other))
    assert find_model(inside).model.name == "other"


# MLflow's own imports warn of other packages' deprecations.
@pytest.mark.filterwarnings("ignore")
def test_a_project_without_a_champion_is_told_to_train(own_serving, monkeypatch):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    monkeypatch.delenv("CHURNKIT_MODEL", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (own_serving.parent / "training").mkdir()
    with pytest.raises(ModelNotFoundError, match="churnkit train"):
        find_model(own_serving / "service.py")


def test_bentoml_s_processes_track_nothing_and_take_no_model_from_outside(monkeypatch):
    monkeypatch.setenv("CHURNKIT_MODEL", "models:/other@champion")
    environment = quiet_environment(PORT="1")
    assert environment["BENTOML_DO_NOT_TRACK"] == "True"
    assert environment["PORT"] == "1"
    assert "CHURNKIT_MODEL" not in environment


def test_a_bento_that_is_not_there_is_told_with_the_last_lines(bento_home):
    with pytest.raises(ChurnkitError, match="before it was ready"), serve("nobody:nothing"):
        raise AssertionError("it came up")


def test_the_service_needs_its_extra(tmp_path):
    """Asked in a process where the packages of the extra cannot be imported."""
    script = (
        "import sys; sys.modules['msgspec'] = None\n"
        "import churnkit.server\n"
        "from churnkit.errors import MissingExtraError\n"
        "try: churnkit.server.create_app\n"
        "except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert re.search("pip install '?msgspec", done.stdout)
