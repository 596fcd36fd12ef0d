"""The registry under hands that move aliases, delete versions, and stop servers."""

import os
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from churnkit.bundle import Registry
from churnkit.bundle.registry.connection import all_pages, check_connection
from churnkit.bundle.registry.quiet import quiet_mlflow
from churnkit.bundle.training_members import members_salt
from churnkit.errors import ChurnkitError, ModelNotFoundError
from churnkit.pipeline.tracking.mlflow_run import check_tracking

# MLflow's own imports warn of other packages' deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def registry(shop_copy):
    """A registry with three versions, the first one champion."""
    with quiet_mlflow():
        registry = Registry(shop_copy)
        first = registry.version("shop")
        for _ in range(2):
            registry.client.create_model_version("shop", shop_copy.store.as_uri(), first.run_id)
        yield registry


def test_an_alias_that_was_moved_by_hand_is_not_rolled_back_from_old_notes(registry):
    registry.promote("shop", "3")
    registry.promote("shop", "1")
    registry.promote("shop", "2")
    registry.client.set_registered_model_alias("shop", "champion", "1")
    with pytest.raises(ModelNotFoundError, match="moved from version 2 to 1 by another program"):
        registry.rollback("shop")
    assert registry.version("shop").version == "1"
    # Promoted again, the version that the hand chose is the one before.
    registry.promote("shop", "3")
    assert registry.rollback("shop").version == "1"


def test_each_rollback_goes_one_champion_further_back(registry):
    for version in ("2", "2", "3"):
        registry.promote("shop", version)
    assert registry.rollback("shop").version == "2"
    assert registry.rollback("shop").version == "1"
    with pytest.raises(ModelNotFoundError, match="replaced no champion"):
        registry.rollback("shop")


def test_a_deleted_champion_is_named(registry):
    registry.promote("shop", "2")
    registry.promote("shop", "3")
    registry.client.delete_model_version("shop", "2")
    with pytest.raises(ModelNotFoundError, match=r"version 2 of 'shop'.*was deleted"):
        registry.rollback("shop")
    assert registry.version("shop").version == "3"


def test_a_deleted_experiment_is_refused_before_the_fit(registry):
    experiment = registry.client.get_experiment_by_name("shop")
    check_tracking(registry, "shop")
    registry.client.delete_experiment(experiment.experiment_id)
    with pytest.raises(ChurnkitError, match="mlflow experiments restore"):
        check_tracking(registry, "shop")


def test_customers_of_another_checkout_are_not_known_instead_of_absent(registry, monkeypatch):
    version = registry.version("shop")
    salt = members_salt(registry.project, create=False)
    assert registry.members(version, salt) is not None
    assert registry.members(version, b"another checkout") is None
    monkeypatch.setenv("CHURNKIT_MEMBERS_SALT", "0f" * 16)
    assert members_salt(registry.project, create=False) == b"\x0f" * 16
    monkeypatch.setenv("CHURNKIT_MEMBERS_SALT", "0f")
    with pytest.raises(ChurnkitError, match="32 hexadecimal digits"):
        members_salt(registry.project, create=False)


def test_a_registry_that_is_away_is_named_at_once(shop_copy, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_connection(f"http://user:secret@127.0.0.1:{port}/mlflow")
    monkeypatch.setattr("mlflow.is_tracking_uri_set", lambda: False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:secret@127.0.0.1:{port}")
    start = time.monotonic()
    with quiet_mlflow(), pytest.raises(ChurnkitError, match="cannot be reached") as refused:
        Registry(shop_copy).models()
    assert time.monotonic() - start < 5.0
    assert f"127.0.0.1:{port}" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_every_page_of_a_search_is_read():
    class Page(list[str]):
        token: str | None = None

    pages = {None: Page("ab"), "2": Page("cd"), "3": Page("e")}
    pages[None].token, pages["2"].token = "2", "3"
    found = all_pages(lambda text, page_token: pages[page_token], "name")
    assert list(found) == list("abcde")


def test_mlflow_prints_no_address_to_standard_output(monkeypatch):
    monkeypatch.delenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", raising=False)
    with quiet_mlflow():
        assert os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] == "true"
    assert "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT" not in os.environ


def test_a_champion_without_a_bundle_is_fetched_a_few_times_and_leaves_nothing(tmp_path):
    from churnkit.server.reload.registry_mirror import RegistryMirror

    fetched: list[Any] = []

    def bundle(_version, *, folder):
        (folder / "foreign").mkdir()
        fetched.append(folder)
        return folder / "foreign" / "artifacts" / "bundle"

    foreign: Any = SimpleNamespace(
        version=lambda _name, _alias: SimpleNamespace(version="7"), bundle=bundle
    )
    mirror = RegistryMirror(foreign, "shop", "champion", tmp_path)
    for _ in range(10):
        try:
            mirror.look()
        except OSError:
            continue
    assert len(fetched) == 3
    assert list(tmp_path.iterdir()) == []
