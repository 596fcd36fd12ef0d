"""A bandit's state: what was saved comes back to the last bit, and what was changed is refused."""

import json
import shutil

import numpy as np
import pytest

from churnkit.bundle.parts.bandit import load_bandit, save_bandit
from churnkit.errors import BundleError
from churnkit.models import BanditBatch, LinearBandit


@pytest.fixture(scope="module")
def bandit():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.integers(3, size=80), rng.normal(size=80)]).astype(float)
    names = [f"o{at}" for at in rng.integers(3, size=80)]
    start = LinearBandit.new(customer_features=2, option_features=1, categories={0: 3}, seed=4)
    start = start.fit_scale(X, np.array([[0.0], [3.0]]))
    return start.update(BanditBatch(X, names, rng.normal(size=(80, 1)), rng.normal(size=80)))


def test_a_saved_bandit_draws_and_learns_on_as_if_it_had_never_been_away(bandit, tmp_path):
    manifest = save_bandit(bandit, tmp_path / "state", name="offers")
    again = load_bandit(tmp_path / "state")
    asked = ([[1.0, 0.5]], ["o0", "new"], [[0.1], [0.2]])
    assert again.sample(*asked).tobytes() == bandit.sample(*asked).tobytes()
    batch = BanditBatch(np.ones((1, 2)), ["new"], np.ones((1, 1)), np.ones(1))
    assert (
        again.update(batch).sample(*asked).tobytes()
        == bandit.update(batch).sample(*asked).tobytes()
    )
    assert manifest.digest == save_bandit(again, tmp_path / "same", name="offers").digest


def test_a_new_bandit_can_be_saved_too(tmp_path):
    save_bandit(LinearBandit.new(customer_features=1), tmp_path / "state")
    assert load_bandit(tmp_path / "state").sums.options == {}


def test_a_changed_byte_is_refused(bandit, tmp_path):
    save_bandit(bandit, tmp_path / "state")
    place = tmp_path / "state" / "bandit" / "target.npy"
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    with pytest.raises(BundleError, match="was changed"):
        load_bandit(tmp_path / "state")


def test_another_bundle_is_no_bandits(tmp_path):
    from churnkit.bundle.format.manifest import write_folder

    write_folder(tmp_path / "other", {"a.json": b"{}"}, name="x", lineage={})
    with pytest.raises(BundleError, match="without a bandit state"):
        load_bandit(tmp_path / "other")
    for text in (b"[]", b"{"):
        shutil.rmtree(tmp_path / "other")
        write_folder(tmp_path / "other", {"bandit.json": text}, name="x", lineage={})
        with pytest.raises(BundleError, match="learn again"):
            load_bandit(tmp_path / "other")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"options": None}, "must be a list of names"),
        ({"options": ["o0"]}, "must be float64 of shape"),
        ({"draws": 0}, "draws"),
        ({"prior": -1.0}, "priors and exploration_scale must be positive"),
        ({"customer_features": 7}, "mean"),
        ({"categories": [[9, 3]]}, "is inconsistent"),
        ({"categories": 3}, "must be pairs of integers"),
    ],
)
def test_settings_that_do_not_fit_are_refused(bandit, change, says):
    kept, arrays = bandit.to_arrays()
    with pytest.raises(BundleError, match=says):
        LinearBandit.from_arrays({**json.loads(json.dumps(kept)), **change}, arrays)


def test_arrays_that_are_not_finite_are_refused(bandit):
    kept, arrays = bandit.to_arrays()
    broken = {**arrays, "target": arrays["target"] * np.nan}
    with pytest.raises(BundleError, match="not finite"):
        LinearBandit.from_arrays(kept, broken)
    with pytest.raises(BundleError, match="scale"):
        LinearBandit.from_arrays(kept, {**arrays, "scale": arrays["scale"] * 0})
