"""Bundles that carry something else: none executes, crashes or loads."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Check, Column, Contract
from churnkit.errors import BundleError
from churnkit.models import LightGBMTrees


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    generator = np.random.default_rng(0)
    X = np.column_stack([generator.integers(0, 3, 300), generator.random(300) * 50])
    y = (generator.random(300) < 0.2 + 0.2 * X[:, 0]).astype(int)
    trees = LightGBMTrees(rounds=8, num_leaves=5, categorical_features=(0,)).fit(X, y)
    contract = Contract(
        "shop",
        (
            Column("customer_id", "string", ("entity",)),
            Column("plan", "string", ("feature",), levels=("basic", "plus", "pro")),
            Column("tenure", "number", ("feature",), checks=(Check("ge", 0),)),
        ),
    )
    folder = tmp_path_factory.mktemp("payloads") / "bundle"
    from churnkit.models.calibration.maps import Calibration

    RetentionModel(
        ModelContents(contract, trees.scorer_, Calibration.identity(), golden=X[:10] + 0.0)
    ).save(folder, name="shop", lineage={})
    return folder


@pytest.fixture
def own(bundle, tmp_path):
    return shutil.copytree(bundle, tmp_path / "own")


def reseal(folder, change):
    """Change the manifest as an attacker would who can also write the seal."""
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest["files"])
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")


def vouch(folder, *names):
    def change(files):
        for name in names:
            content = (folder / name).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            files[name] = {"sha256": digest, "size": len(content)}

    reseal(folder, change)


@pytest.mark.parametrize(
    "name", ["model.pkl", "scorer/values.pkl", "card.pickle", "code.py", "x.so"]
)
@pytest.mark.parametrize("vouched", [False, True])
def test_a_pickle_is_refused_vouched_for_or_not(own, tmp_path, name, vouched):
    (own / name).write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
    if vouched:
        vouch(own, name)
    with pytest.raises(BundleError):
        RetentionModel.load(own)
    assert not (tmp_path / "harm").exists()


def test_a_pickle_in_the_place_of_every_file_is_refused(own, bundle, tmp_path):
    files = sorted(json.loads((own / "manifest.json").read_text())["files"])
    for name in files:
        (own / name).write_bytes(pickle.dumps(Harm(tmp_path / "harm")))
        vouch(own, name)
        with pytest.raises(BundleError):
            RetentionModel.load(own)
        shutil.copy(bundle / name, own / name)
        vouch(own, name)
    assert not (tmp_path / "harm").exists()
    RetentionModel.load(own)


def test_an_array_of_objects_is_not_unpickled(own, tmp_path):
    name = next(n for n in json.loads((own / "manifest.json").read_text())["files"] if "npy" in n)
    with (own / name).open("wb") as stream:
        np.save(stream, np.array([Harm(tmp_path / "harm")], dtype=object), allow_pickle=True)
    vouch(own, name)
    with pytest.raises(BundleError):
        RetentionModel.load(own)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("target", ["file", "folder", "self", "nowhere"])
def test_a_link_is_refused(own, bundle, tmp_path, target):
    outside = {
        "file": bundle / "card.json",
        "folder": bundle / "scorer",
        "self": own,
        "nowhere": tmp_path / "nowhere",
    }[target]
    place = own / ("card.json" if target == "file" else "extra")
    place.unlink(missing_ok=True)
    place.symlink_to(outside)
    with pytest.raises(BundleError, match="link"):
        RetentionModel.load(own)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.json",
        "/etc/passwd",
        "a/../../b.json",
        "..",
        "scorer/../card.json",
        "a\\b.json",
        "C:x.json",
    ],
)
def test_a_path_outside_is_refused(own, tmp_path, name):
    (tmp_path / "outside.json").write_text("{}")
    entry = {"sha256": hashlib.sha256(b"{}").hexdigest(), "size": 2}
    reseal(own, lambda files: files.update({name: entry}))
    with pytest.raises(BundleError):
        RetentionModel.load(own)


def test_an_array_that_claims_a_terabyte_is_refused_at_once(own):
    name = next(n for n in json.loads((own / "manifest.json").read_text())["files"] if "npy" in n)
    for shape in ("(125000000000,)", "(1000000, 1000000)", "(0, 99999999999)"):
        header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
        padded = header.ljust(117) + "\n"
        content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded.encode()
        (own / name).write_bytes(content)
        vouch(own, name)
        with pytest.raises(BundleError):
            RetentionModel.load(own)


@pytest.mark.parametrize("kind", ["zip", "gzip"])
def test_nothing_is_ever_unpacked(own, tmp_path, kind):
    """A bundle is a folder: an archive, bomb or not, is no file of it and no bundle."""
    import gzip

    bomb = tmp_path / "bomb"
    if kind == "zip":
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("card.json", b"0" * 50_000_000)
    else:
        bomb.write_bytes(gzip.compress(b"0" * 50_000_000))
    with pytest.raises(BundleError, match="is a file"):
        RetentionModel.load(bomb)
    for name in ("card.json", "contract.json", "scorer.json"):
        before = (own / name).read_bytes()
        shutil.copy(bomb, own / name)
        vouch(own, name)
        with pytest.raises(BundleError):
            RetentionModel.load(own)
        (own / name).write_bytes(before)
        vouch(own, name)


def test_json_that_is_nested_or_endless_is_refused(own):
    for content in (b"[" * 200_000, b'{"a":' * 100_000, b'{"rows": 1' + b"0" * 20_000 + b"}"):
        for name in ("card.json", "contract.json", "scorer.json"):
            before = (own / name).read_bytes()
            (own / name).write_bytes(content)
            vouch(own, name)
            try:
                RetentionModel.load(own)
            except BundleError:
                pass
            else:
                # A card is free: a number of any length harms nobody.
                assert name == "card.json"
            (own / name).write_bytes(before)
            vouch(own, name)


def test_a_file_cut_anywhere_is_refused(own, bundle):
    files = [p for p in bundle.rglob("*") if p.is_file()]
    for file in files:
        content = file.read_bytes()
        for kept in {0, 1, len(content) // 2, len(content) - 1}:
            place = own / file.relative_to(bundle)
            place.write_bytes(content[:kept])
            with pytest.raises(BundleError):
                RetentionModel.load(own)
            place.write_bytes(content)
    RetentionModel.load(own)


MUTATING = """
import os, pathlib, random, sys
from churnkit.bundle import RetentionModel
from churnkit.errors import BundleError

folder = pathlib.Path(sys.argv[1])
harmful = ("pickle.find_class", "subprocess.Popen", "os.system", "exec", "socket.connect")
seen = []
RetentionModel.load(folder)
sys.addaudithook(lambda event, _: seen.append(event) if event in harmful else None)
chance = random.Random(0)
files = sorted(p for p in folder.rglob("*") if p.is_file())
sizes = [p.stat().st_size for p in files]
loaded = 0
for _ in range(10_000):
    file = chance.choices(files, sizes)[0]
    content = file.read_bytes()
    place = chance.randrange(len(content))
    other = (content[place] + chance.randrange(1, 256)) % 256
    file.write_bytes(content[:place] + bytes([other]) + content[place + 1 :])
    try:
        RetentionModel.load(folder)
        loaded += 1
    except BundleError:
        pass
    file.write_bytes(content)
RetentionModel.load(folder)
print(loaded, *seen)
"""


@pytest.mark.slow
def test_ten_thousand_changed_bytes_are_all_refused_and_crash_nothing(own):
    done = subprocess.run(
        [sys.executable, "-c", MUTATING, str(own)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stdout.split() == ["0"]
