"""Bundles that somebody means harm with: vouched for, and still refused or harmless."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from typing import Any

import numpy as np
import pytest

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.contracts import Check, Column, Contract
from churnkit.errors import BundleError
from churnkit.models import ChurnClassifier, LightGBMTrees, LogisticModel

ROUNDS = 250
FORBIDDEN = ("pickle.find_class", "subprocess.Popen", "os.system", "exec", "socket.connect")
watched: list[str] = []
watching = False


def watch(event, _):
    if watching and event in FORBIDDEN:
        watched.append(event)


@pytest.fixture(scope="module")
def contract():
    return Contract(
        "shop",
        (
            Column("customer_id", "string", ("entity",)),
            Column("plan", "string", ("feature",), levels=("basic", "plus", "pro")),
            Column("tenure", "number", ("feature",), nullable=True, checks=(Check("ge", 0),)),
            Column("mrr", "number", ("feature",)),
        ),
    )


@pytest.fixture(scope="module", params=["logistic", "trees", "blend"])
def trained(request, contract, tmp_path_factory):
    """A bundle of each kind of model."""
    generator = np.random.default_rng(0)
    X = np.column_stack(
        [generator.integers(0, 3, 400), generator.gamma(2.0, 10.0, 400), generator.random(400)]
    ).astype(float)
    X[::9, 1] = np.nan
    y = (generator.random(400) < 0.2 + 0.2 * X[:, 0]).astype(int)
    logistic = LogisticModel(categorical_features=(0,))
    trees = LightGBMTrees(categorical_features=(0,), num_leaves=6, max_rounds=15)
    if request.param == "blend":
        both = [("logistic", logistic), ("trees", trees)]
        model: Any = ChurnClassifier(candidates=both, cv=2, categorical_features=(0,))
    else:
        model = {"logistic": logistic, "trees": trees}[request.param]
    model.fit(X, y)
    # With a calibration and golden rows, as in any bundle that training makes.
    golden = (X[:20] + X[20:40]) / 2.0
    golden[:, 0] = X[:20, 0]
    folder = tmp_path_factory.mktemp("trained") / "bundle"
    parts = ModelContents(contract, model.scorer_, model.calibration_, golden=golden)
    RetentionModel(parts).save(folder, name="shop", lineage={})
    return folder


def reseal(folder, file, content):
    (folder / file).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][file] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")


def mutate(content, generator):
    """Change, drop, repeat or insert some bytes."""
    changed = bytearray(content)
    for _ in range(generator.integers(1, 4)):
        place = int(generator.integers(0, len(changed) + 1))
        some = generator.bytes(int(generator.integers(1, 9)))
        kind = generator.integers(4)
        if kind == 0:
            changed[place : place + len(some)] = some
        elif kind == 1:
            changed[place:place] = some
        elif kind == 2:
            del changed[place : place + int(generator.integers(1, 40))]
        else:
            changed[place:place] = changed[place : place + 20]
    return bytes(changed)


def test_changed_and_vouched_for_it_is_refused_or_still_a_model(trained, tmp_path):
    global watching  # noqa: PLW0603  (an audit hook cannot be taken away, only told to sleep)
    sys.addaudithook(watch)
    generator = np.random.default_rng(1)
    files = sorted(json.loads((trained / "manifest.json").read_text())["files"])
    row = {"customer_id": "a", "plan": "plus", "tenure": 3.0, "mrr": 0.5}
    RetentionModel.load(trained).explain([row])  # what is imported on first use is imported now
    target = tmp_path / "changed"
    shutil.copytree(trained, target)
    refused = 0
    watched.clear()
    watching = True
    try:
        for _ in range(ROUNDS):
            file = files[generator.integers(len(files))]
            before = (trained / file).read_bytes()
            reseal(target, file, mutate(before, generator))
            try:
                model = RetentionModel.load(target)
                with np.errstate(all="ignore"):
                    model.explain([row])
            except BundleError:
                refused += 1
            reseal(target, file, before)
    finally:
        watching = False
    assert watched == []
    assert refused > ROUNDS / 2
    assert RetentionModel.load(target).explain([row]) == RetentionModel.load(trained).explain([row])
