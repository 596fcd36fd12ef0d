"""Bundles that verify and would take hours or gigabytes: refused, or within the stated bounds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from churnkit.bundle import ModelContents, RetentionModel
from churnkit.bundle.format.npy import write_array
from churnkit.contracts import Check, Column, Contract
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.errors import BundleError, ChurnkitError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.additive import LinearScorer

SECONDS, BYTES = 60, 4_000_000_000
ROW = {"customer_id": "a", "plan": "plus", "tenure": 3.0, "mrr": 0.5}


def contract(*more):
    return Contract(
        "shop",
        (
            Column("customer_id", "string", ("entity",)),
            Column("plan", "string", ("feature",), levels=("basic", "plus", "pro")),
            Column("tenure", "number", ("feature",), nullable=True, checks=(Check("ge", 0),)),
            Column("mrr", "number", ("feature", "value")),
            *more,
        ),
    )


def linear():
    return LinearScorer.straight(bias=0.0, coefficients=[1.0] * 3, low=[-9.0] * 3, high=[9.0] * 3)


def catalogue(**changes):
    call = Action("call", "A call", 1.0, Effect(0.1, 0.2, 0.3), (Where("mrr", ">", 0.0),))
    return {**Catalogue((call,)).to_dict(), **changes}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain") / "bundle"
    parts = ModelContents(
        contract(),
        linear(),
        Calibration.identity(),
        Catalogue.from_dict(catalogue()),
        golden=np.array([[1.0, 2.0, 3.0]]),
    )
    RetentionModel(parts).save(folder, name="shop", lineage={})
    return folder


@pytest.fixture
def own(plain, tmp_path):
    return shutil.copytree(plain, tmp_path / "own")


def seal(folder, changed, removed=()):
    """Write files, and vouch for them as somebody does who may write to the registry."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in removed:
        (folder / name).unlink()
        del manifest["files"][name]
    for name, content in changed.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        manifest["files"][name] = {"sha256": digest, "size": len(content)}
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")


def chains(trees, depth, **changes):
    """Return trees in which each node is the right child of the one before."""
    nodes, leaves = trees * depth, trees * (depth + 1)
    local = np.tile(np.arange(depth), trees)
    arrays = {
        "node_offset": np.arange(trees + 1) * depth,
        "leaf_offset": np.arange(trees + 1) * (depth + 1),
        "feature": np.ones(nodes, np.int32),
        "threshold": np.arange(nodes, dtype=float),
        "decision": np.zeros(nodes, np.uint8),
        "left": (~local).astype(np.int32),
        "right": np.where(local < depth - 1, local + 1, ~depth).astype(np.int32),
        "node_count": np.full(nodes, 10),
        "category_set": np.full(nodes, -1, np.int32),
        "category_offset": np.zeros(1, np.int64),
        "category_words": np.zeros(0, np.uint32),
        "leaf_value": np.zeros(leaves),
        "leaf_count": np.ones(leaves, np.int64),
    }
    return arrays | changes


def categories(sets, words, largest=None):
    """Return a chain of categorical nodes, one set of categories each."""
    content = np.full(sets * words, 0xAAAAAAAA, np.uint32)
    if largest is not None:
        content[:] = 0
        content[words - 1 :: words] = 1
    return chains(
        1,
        sets,
        decision=np.ones(sets, np.uint8),
        category_set=np.arange(sets, dtype=np.int32),
        category_offset=np.arange(sets + 1) * words,
        category_words=content,
    )


def tree_files(arrays, *, outputs=1, members=1):
    settings = {
        "format": 1,
        "feature_names": ["plan", "tenure", "mrr"],
        "objective": "binary sigmoid:1",
        "n_outputs": outputs,
        "average_output": False,
    }
    files = {f"scorer/{name}.npy": write_array(array) for name, array in arrays.items()}
    kind = {"kind": "trees", "settings": settings}
    if members > 1:
        files = {"scorer/weights.npy": write_array(np.ones(members))}
        for number in range(members):
            for name, array in arrays.items():
                files[f"scorer/member{number}_{name}.npy"] = write_array(array)
        kind = {
            "kind": "ensemble",
            "settings": {"n_features": 3, "members": [kind] * members},
        }
    calibration, _ = Calibration.identity().to_arrays()
    probability = np.full(1, 0.5)
    files["scorer.json"] = json.dumps({**kind, "calibration": calibration}).encode()
    files["golden/probability.npy"] = write_array(probability)
    return files


def with_trees(folder, arrays, **settings):
    old = [f"scorer/{path.name}" for path in (folder / "scorer").iterdir()]
    seal(folder, tree_files(arrays, **settings), old)


SCORING = f"""
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({BYTES}, {BYTES}))
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
from churnkit.bundle import RetentionModel
from churnkit.errors import BundleError
try:
    model = RetentionModel.load(sys.argv[1])
except BundleError as error:
    print("refused:", str(error)[-300:])
else:
    row = json.loads(sys.argv[2])
    model.predict([row])
    model.explain([row])
    if model.contents.catalogue is not None:
        model.recommend([row])
    print("scored")
"""


def score(folder, row=ROW):
    """Load a bundle and score, explain and decide a row, in a process with limits."""
    done = subprocess.run(
        [sys.executable, "-c", SCORING, str(folder), json.dumps(row)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1_000:]
    return done.stdout


@pytest.mark.parametrize(
    ("arrays", "settings", "limit"),
    [
        (chains(1, 100_000), {}, "levels"),
        (chains(400, 499), {}, "steps"),
        (chains(100_001, 1), {}, "trees"),
        (chains(0, 0), {"outputs": 10**9}, "outputs"),
        (chains(3, 2), {"outputs": 3}, "several outputs"),
        (categories(1, 2**20 + 1), {}, "category above"),
        (categories(400, 2_000), {}, "categories times sets"),
        (categories(170, 100_000, largest=True), {}, "words of 32 categories"),
        (chains(60, 499), {"members": 10}, "steps"),
    ],
    ids=["deep", "wide", "many", "outputs", "classes", "category", "sets", "words", "ensemble"],
)
def test_trees_that_would_unfold_are_refused(own, arrays, settings, limit):
    with_trees(own, arrays, **settings)
    assert limit in score(own).partition("refused:")[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arrays",
    [
        chains(159, 499),
        chains(100_000, 1),
        categories(499, 1_200),
        categories(160, 100_000, largest=True),
    ],
    ids=["deep", "many", "sets", "words"],
)
def test_trees_at_the_limits_are_scored_within_the_stated_bounds(own, arrays):
    with_trees(own, arrays)
    assert score(own) == "scored\n"


def test_a_file_of_a_terabyte_is_refused_before_it_is_read(own):
    seal(own, {})
    manifest = json.loads((own / "manifest.json").read_text())
    with (own / "card.json").open("wb") as stream:
        stream.truncate(2**33)
    manifest["files"]["card.json"]["size"] = 2**33
    text = json.dumps(manifest).encode()
    (own / "manifest.json").write_bytes(text)
    (own / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")
    assert "a bundle may have 500,000,000" in score(own)


@pytest.mark.parametrize("name", ["card.json", "contract.json", "catalogue.json"])
def test_a_document_of_many_small_values_is_refused(own, name):
    seal(own, {name: b"[" + b"[]," * 15_000_000 + b"[]]"})
    assert "bytes of JSON" in score(own)


def test_columns_values_actions_rules_and_golden_rows_have_limits(own):
    columns = [Column(f"c{i}", "number", ("context",)) for i in range(5_000)]
    listed = tuple(f"v{i}" for i in range(1_000_001))
    action = catalogue()["actions"][0]
    rule = action["eligible"][0]
    cases = {
        "columns": {"contract.json": contract(*columns).to_json().encode()},
        "categories and values": {
            "contract.json": contract(
                Column("x", "string", ("context",), checks=(Check("isin", listed),))
            )
            .to_json()
            .encode()
        },
        "actions": {
            "catalogue.json": json.dumps(
                catalogue(actions=[{**action, "name": f"a{i}"} for i in range(5_001)])
            ).encode()
        },
        "conditions": {
            "catalogue.json": json.dumps(
                catalogue(actions=[{**action, "eligible": [rule] * 50_001}])
            ).encode()
        },
        "golden rows": {
            "golden/rows.npy": write_array(np.zeros((10_001, 3))),
            "golden/probability.npy": write_array(np.full(10_001, 0.5)),
        },
    }
    for limit, files in cases.items():
        copy = shutil.copytree(own, own.parent / limit.replace(" ", "-"))
        seal(copy, files)
        assert limit in score(copy).partition("refused:")[2], limit


@pytest.mark.slow
def test_documents_at_the_limits_are_decided_within_the_stated_bounds(own):
    columns = [Column(f"c{i}", "number", ("context",), nullable=True) for i in range(4_900)]
    listed = tuple(f"value {i}" for i in range(450_000))
    codes = Column("code", "string", ("context",), levels=listed, checks=(Check("isin", listed),))
    action = catalogue()["actions"][0]
    many = [{**action, "name": f"a{i}", "eligible": action["eligible"] * 10} for i in range(5_000)]
    seal(
        own,
        {
            "contract.json": contract(codes, *columns).to_json().encode(),
            "catalogue.json": json.dumps(catalogue(actions=many)).encode(),
        },
    )
    assert score(own, ROW | {"code": listed[-1]}) == "scored\n"


def test_a_bundle_without_golden_rows_is_loaded_only_when_asked_for(own):
    import churnkit

    seal(own, {}, ["golden/rows.npy", "golden/probability.npy"])
    with pytest.raises(BundleError, match="no golden rows"):
        churnkit.load(own)
    [row] = churnkit.load(own, require_golden=False).predict([ROW])
    assert 0.0 < row["churn_probability"] < 1.0


VALUES: list[object] = [
    *("x", "", None, True, 0, -1, 1.5, 1e308, 10**400, -(10**400), 2**63, float(2**53) + 2),
    *([], {}, [[]], [{}], {"a": 1}, ["x"], [None], [["in"]], [0] * 1_000, 1e-320),
    *("9999-12-31", "0001-01-01", "a" * 100_000, "\ud800"),
]


def paths(document, path=()):
    yield path
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, part in items:
        if isinstance(part, dict | list):
            yield from paths(part, (*path, key))
        else:
            yield (*path, key)


def replaced(document, path, value):
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


def test_a_catalogue_with_any_other_type_is_refused_or_decides(own):
    action = {
        **catalogue()["actions"][0],
        "channel": "phone",
        "group": "service",
        "capacity": 3,
        "valid_from": "2020-01-01",
        "holdout": 0.1,
        "levers": ["mrr"],
    }
    document = catalogue(actions=[action])
    loaded = 0
    for path in paths(document):
        for value in VALUES:
            seal(own, {"catalogue.json": json.dumps(replaced(document, path, value)).encode()})
            try:
                model = RetentionModel.load(own)
            except BundleError:
                continue
            loaded += 1
            # A rule may need a context that a bare table lacks, and says so.
            with np.errstate(all="ignore"), contextlib.suppress(ChurnkitError):
                [row] = model.recommend([ROW])
                assert "action" in row
    assert loaded > 20
