"""``churnkit models promote --service``: a running service is asked before its model changes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest

pytest.importorskip("bentoml", reason="the extra 'serve' is not installed")
# MLflow's own imports warn of other packages' deprecations.
pytestmark = [pytest.mark.server, pytest.mark.filterwarnings("ignore")]

SERVING = Path(__file__).parents[3] / "serving"


@pytest.fixture
def versions(shop_copy):
    """A shop with version 2, which requires a new column, and 3, of another seed."""
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow
    from churnkit.pipeline import load_recipe, train

    recipe, schema = (shop_copy.root / folder / "shop.py" for folder in ("training", "schemas"))
    original, table = schema.read_text(), shop_copy.root / "customers.csv"
    lines = table.read_text().splitlines()
    seats = [str(number % 7) for number in range(len(lines) - 1)]
    table.write_text("\n".join(map(",".join, zip(lines, ["seats", *seats], strict=True))) + "\n")
    schema.write_text(original + '    seats: int = feature("Seats", ge=0)\n')
    train(load_recipe(recipe))
    schema.write_text(original)
    recipe.write_text(recipe.read_text().replace("data=", "seed=7,\n    data="))
    train(load_recipe(recipe))
    with quiet_mlflow():
        registry = Registry(shop_copy)
        registry.promote("shop", "1")
        bundle = registry.bundle(registry.version("shop", "1"))
    return shop_copy, bundle


def wait_for(client, digest):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if client.get("/v1/model").json()["digest"] == digest:
            return True
        time.sleep(0.2)
    return False


@pytest.mark.slow
def test_a_service_is_asked_before_its_model_changes(churnkit, versions, bento_home, monkeypatch):
    from churnkit.server import pack, serve
    from churnkit.server.auth.api_keys import add_key

    project, bundle = versions
    key = add_key(project.root / "keys.json", name="ci", scopes=["predict"])
    settings = {
        "CHURNKIT_FOLLOW": "models:/shop@champion",
        "CHURNKIT_POLL_SECONDS": "0.5",
        "CHURNKIT_KEYS": str(project.root / "keys.json"),
        "MLFLOW_TRACKING_URI": project.tracking_uri,
    }
    tag = pack(bundle, name="shop", serving=SERVING)
    with serve(tag, timeout_seconds=120, settings=settings) as server:

        def promote(version):
            command = ("models", "promote", version, "--service", server.url, "--json")
            return churnkit(*command, folder=project.root)

        code, _, err = promote("3")
        assert code == 1
        assert "CHURNKIT_SERVICE_KEY" in err
        monkeypatch.setenv("CHURNKIT_SERVICE_KEY", key)
        code, _, err = promote("2")
        assert code == 1
        assert "clients must send seats" in err
        assert "nothing was promoted" in err
        code, out, err = promote("3")
        assert code == 0
        assert "can load this version" in err
        headers = {"authorization": f"Bearer {key}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=30) as client:
            assert wait_for(client, json.loads(out)["digest"])
    assert key not in out + err


def test_an_address_without_a_service_promotes_nothing(churnkit, shop_copy, monkeypatch):
    def promote(url):
        return churnkit("models", "promote", "1", "--service", url, folder=shop_copy.root)

    code, _, err = promote("http://127.0.0.1:9")
    assert code == 1
    assert "does not answer" in err
    monkeypatch.setenv("CHURNKIT_SERVICE_KEY", "secret-key-0x77")
    code, _, err = promote("http://example.org")
    assert code == 1
    assert "unencrypted" in err
    assert "secret-key" not in err
