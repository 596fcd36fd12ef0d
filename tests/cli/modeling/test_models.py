"""``churnkit models`` and ``churnkit keys``."""

import json

import pytest

# MLflow's own imports warn of other packages' deprecations.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def second(shop_copy):
    """A shop with a second version, trained on with another seed, that is no champion yet."""
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow
    from churnkit.pipeline import load_recipe, train

    recipe = shop_copy.root / "training" / "shop.py"
    recipe.write_text(recipe.read_text().replace("data=", "seed=7,\n    data="))
    train(load_recipe(recipe))
    with quiet_mlflow():
        registry = Registry(shop_copy)
        registry.promote("shop", "1")
    return shop_copy


def champion(churnkit, folder):
    _, out, _ = churnkit("models", "list", "--json", folder=folder)
    return [v["version"] for v in json.loads(out) if "champion" in v["aliases"]]


def test_a_version_is_promoted_rolled_back_and_compared(churnkit, second, tmp_path):
    folder = second.root
    assert champion(churnkit, folder) == ["1"]
    code, out, _ = churnkit("models", "promote", "2", "--json", folder=folder)
    assert code == 0
    assert json.loads(out)["version"] == "2"
    assert champion(churnkit, folder) == ["2"]
    code, _, err = churnkit("models", "rollback", folder=folder)
    assert (code, champion(churnkit, folder)) == (0, ["1"])
    assert "version 1 of shop is champion" in err
    code, out, _ = churnkit("models", "diff", "1", "2", "--json", folder=folder)
    assert code == 0
    result = json.loads(out)
    assert result["before"] != result["after"]
    assert {"what": "lineage.seed", "before": 0, "after": 7} in result["changes"]
    code, out, _ = churnkit("models", "diff", "1", "1", folder=folder)
    assert code == 0
    code, _, err = churnkit("models", "promote", "9", folder=folder)
    assert code == 1
    assert champion(churnkit, folder) == ["1"]


def test_a_first_champion_cannot_be_rolled_back(churnkit, shop_copy):
    code, _, err = churnkit("models", "rollback", folder=shop_copy.root)
    assert code == 1
    assert "replaced no champion" in err


def test_a_bundle_is_signed_from_the_command_line(churnkit, shop_copy, tmp_path):
    from churnkit.bundle import load

    folder = shop_copy.root
    private, public = tmp_path / "sign.key", tmp_path / "sign.pub"
    assert churnkit("models", "make-key", "--private", private, "--public", public)[0] == 0
    code, _, err = churnkit("models", "sign", "champion", "--key", private, folder=folder)
    assert code == 0, err
    assert load("models:/shop@champion", project=shop_copy, signer=public).name == "shop"


def test_training_signs_the_bundle_with_a_key(make_shop, tmp_path, monkeypatch):
    from churnkit.bundle import load
    from churnkit.bundle.format.signing import make_keys
    from churnkit.pipeline import load_recipe, train

    make_keys(tmp_path / "sign.key", tmp_path / "sign.pub")
    monkeypatch.setenv("CHURNKIT_SIGNING_KEY", str(tmp_path / "sign.key"))
    (tmp_path / "shop").mkdir()
    project = make_shop(tmp_path / "shop")
    train(load_recipe(project.root / "training" / "shop.py"))
    load("models:/shop@challenger", project=project, signer=tmp_path / "sign.pub")


def test_keys_are_made_listed_and_removed(churnkit, tmp_path):
    file = tmp_path / "keys.json"
    code, out, err = churnkit(
        "keys", "add", "crm", "--scope", "predict", "--scope", "outcomes", "--file", file
    )
    assert code == 0
    assert out.startswith("ck_")
    assert out.strip() not in file.read_text() + err
    code, out, _ = churnkit("keys", "list", "--file", file, "--json")
    [key] = json.loads(out)
    assert (key["name"], key["scopes"]) == ("crm", ["predict", "outcomes"])
    assert "sha256" not in key
    assert churnkit("keys", "remove", key["id"], "--file", file)[0] == 0
    assert json.loads(churnkit("keys", "list", "--file", file, "--json")[1]) == []
    assert churnkit("keys", "remove", key["id"], "--file", file)[0] == 1


def test_serving_other_machines_without_keys_is_refused(churnkit, tmp_path, monkeypatch):
    monkeypatch.delenv("CHURNKIT_KEYS", raising=False)
    code, _, err = churnkit("serve", "--host", "0.0.0.0", folder=tmp_path)  # noqa: S104
    assert code == 1
    assert "churnkit keys add" in err
