"""XGBoost's trees as arrays: the same bits as the margins that XGBoost computed.

`xgboost_models.json` has small models of XGBoost 3.2 with rows and margins. Where xgboost is
installed, random models are compared too; run this file as a script to write the models again.
`xgboost_model.ubj` is one of them in XGBoost's binary form.
"""

import copy
import json
import os
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.errors import BundleError
from churnkit.trees import CompiledTrees, compile_xgboost

STORED = Path(__file__).with_name("xgboost_models.json")
# The model of this seed, with categories.
BINARY, BINARY_SEED = Path(__file__).with_name("xgboost_model.ubj"), 7
OBJECTIVES = {
    "binary:logistic": {},
    "reg:squarederror": {},
    "multi:softprob": {"num_class": 3},
    "count:poisson": {},
    "reg:gamma": {},
    "binary:logitraw": {},
    "rank:ndcg": {},
}
TINY = [0.0, -0.0, 1e-45, -1e-45, 1e-40, 1e-36, 1e-35, 1e-30, 1.0]
CATEGORIES = [0, 1, 2, 5, 6, 7, 29, 30, 31, 40, 64, 90, 1000, 1001, 5000, np.nan]


@pytest.fixture(params=[pytest.param(True, id="numba"), pytest.param(False, id="numpy")])
def fast(request):
    if request.param:
        pytest.importorskip("numba")
    return request.param


def _equal(document, rows, margin, fast):
    trees = compile_xgboost(document, fast=fast)
    np.testing.assert_array_equal(trees.raw_score(rows), margin)
    np.testing.assert_array_equal(trees.raw_score(rows[:9]), margin[:9])
    if trees.n_outputs == 1:
        alone = [trees.predict_row(row) for row in rows[:9].tolist()]
        np.testing.assert_array_equal(alone, margin[:9])
    again = CompiledTrees.from_arrays(*trees.to_arrays(), fast=fast)
    np.testing.assert_array_equal(again.raw_score(rows), margin)
    return trees


@pytest.fixture(scope="module")
def stored():
    return json.loads(STORED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_stored_models_score_the_same_bits(stored, fast, name):
    for case in stored[name]:
        rows = np.array(case["rows"], float)
        trees = _equal(case["model"], rows, np.array(case["margin"]), fast)
        np.testing.assert_allclose(trees.predict(rows), case["prediction"], rtol=1e-5)
        values = trees.contributions(rows).reshape(len(rows), trees.n_outputs, -1)
        expected = np.array(case["contributions"]).reshape(values.shape)
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-4)


def test_models_too_large_for_masks_score_the_same_bits(stored, fast, monkeypatch):
    monkeypatch.setattr("churnkit.trees.layout.derived.MAX_MASK_BYTES", 1)
    case = stored["binary:logistic"][0]
    _equal(case["model"], np.array(case["rows"], float), np.array(case["margin"]), fast)


def test_text_and_bytes_of_a_document_are_read(stored):
    model = stored["reg:squarederror"][0]["model"]
    text = json.dumps(model)
    rows = np.array(stored["reg:squarederror"][0]["rows"], float)
    expected = compile_xgboost(model).raw_score(rows)
    for content in (text, text.encode()):
        np.testing.assert_array_equal(compile_xgboost(content).raw_score(rows), expected)


def test_a_binary_file_scores_the_same_bits(stored, fast):
    case = stored["binary:logistic"][1]
    rows, margin = np.array(case["rows"], float), np.array(case["margin"])
    _equal(BINARY.read_bytes(), rows, margin, fast)


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.7, 0.9999])
def test_a_torn_binary_file_is_refused_by_name(share):
    content = BINARY.read_bytes()
    with pytest.raises(BundleError, match=r"UBJSON is damaged.*ends after") as refusal:
        compile_xgboost(content[: max(2, int(share * len(content)))])
    assert "model.ubj" in str(refusal.value)


def test_a_binary_file_with_more_after_its_end_is_refused():
    with pytest.raises(BundleError, match="3 bytes after its end"):
        compile_xgboost(BINARY.read_bytes() + b"abc")


@given(at=st.floats(0, 1), put=st.binary(max_size=4), cut=st.integers(0, 9))
@settings(deadline=None, max_examples=150)
def test_a_damaged_binary_file_is_refused_or_still_makes_trees(at, put, cut):
    content = BINARY.read_bytes()
    place = int(at * len(content))
    try:
        trees = compile_xgboost(content[:place] + put + content[place + cut :], fast=False)
    except BundleError:
        return
    assert len(trees.raw_score(np.zeros((2, trees.n_features)))) == 2


def _tree(document):
    return document["learner"]["gradient_booster"]["model"]["trees"][0]


def _weigh_leaves(document, factor):
    tree = _tree(document)
    tree["sum_hessian"] = [factor * weight for weight in tree["sum_hessian"]]


def _set(path, value):
    def change(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set(("learner", "gradient_booster", "name"), "dart"), "gbtree"),
        (_set(("learner", "objective", "name"), "survival:cox"), "survival:cox"),
        (_set(("learner", "learner_model_param"), {}), "not a valid XGBoost model"),
        (lambda document: _tree(document).pop("left_children"), "not a valid XGBoost model"),
        (lambda document: _tree(document)["left_children"].pop(), "not a valid|malformed"),
        (lambda document: _tree(document)["left_children"].__setitem__(0, 0), "two parents"),
        (lambda document: _tree(document)["right_children"].__setitem__(0, -1), "two parents"),
        (lambda document: _tree(document)["right_children"].__setitem__(0, 10**6), "not a valid"),
        (lambda document: _tree(document)["split_indices"].__setitem__(0, 99), "feature"),
        (lambda document: _tree(document)["categories"].append(-1), "out of range"),
        (lambda document: _weigh_leaves(document, -1.0), "weight of a leaf is out of range"),
        (lambda document: _weigh_leaves(document, np.inf), "weight of a leaf is out of range"),
        (
            lambda document: _tree(document)["tree_param"].update(size_leaf_vector="2"),
            "several targets",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused(stored, change, reason):
    document = copy.deepcopy(stored["binary:logistic"][0]["model"])
    change(document)
    with pytest.raises(BundleError, match=reason):
        compile_xgboost(document)


def test_contributions_do_not_change_with_the_unit_of_weights(stored):
    document = copy.deepcopy(stored["binary:logistic"][0]["model"])
    rows = np.random.default_rng(0).normal(size=(20, compile_xgboost(document).n_features))
    expected = compile_xgboost(document).contributions(rows)
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        # Counts of a millionth of these weights do not fit 64 bits. Counts are rounded.
        tree["sum_hessian"] = [2.0**60 * weight for weight in tree["sum_hessian"]]
    assert compile_xgboost(document).contributions(rows) == pytest.approx(expected, abs=1e-7)


def _with_sets(document, count, largest):
    """Return a model of one tree, a chain of nodes with two categories each."""
    document = copy.deepcopy(document)
    model = document["learner"]["gradient_booster"]["model"]
    nodes, leaf = range(count), [-1] * (count + 1)
    model["tree_info"], model["trees"] = [0], [_tree(document)]
    model["trees"][0].update(
        left_children=[*range(count, 2 * count), *leaf],
        right_children=[*range(1, count), 2 * count, *leaf],
        split_indices=[4] * count + [0] * (count + 1),
        split_type=[1] * count + [0] * (count + 1),
        split_conditions=[1.0] * count + list(range(count + 1)),
        default_left=[0] * (2 * count + 1),
        sum_hessian=[1.0] * (2 * count + 1),
        categories=[category for node in nodes for category in (node, largest)],
        categories_nodes=list(nodes),
        categories_segments=[2 * node for node in nodes],
        categories_sizes=[2] * count,
    )
    return document


def test_a_short_document_with_gigabytes_of_categories_is_refused_before_they_are_built(stored):
    document = _with_sets(stored["binary:logistic"][1]["model"], 300, 2**24 - 1)
    assert len(json.dumps(document)) < 40_000
    tracemalloc.start()
    with pytest.raises(BundleError, match="words of 32 categories"):
        compile_xgboost(document, fast=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


def test_long_sets_of_few_categories_are_compiled_in_the_memory_of_their_words(stored):
    count, words = 400, 10_000
    document = _with_sets(stored["binary:logistic"][1]["model"], count, 32 * words - 1)
    tracemalloc.start()
    trees = compile_xgboost(document, fast=False)
    rows = np.zeros((3, trees.n_features))
    rows[:, 4] = [0, 32 * words - 1, 399]
    scores = trees.raw_score(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # A node sends its two categories to the next node, others to the leaf of its own number.
    np.testing.assert_allclose(scores - scores[2], [1, count, 0], rtol=1e-4)
    assert peak < 6 * 4 * count * words


@pytest.mark.parametrize("content", ["", "{", b"\x00\x01", 3, None, [], "[1]", "{}"])
def test_what_is_no_model_is_refused(content):
    with pytest.raises(BundleError, match=r"XGBoost|compile_xgboost"):
        compile_xgboost(content)


def test_a_number_that_stands_for_missing_is_refused(stored):
    class Wrapper:
        missing = -999.0

        def get_booster(self):
            raise AssertionError

    with pytest.raises(BundleError, match="a number as missing"):
        compile_xgboost(Wrapper())


def train(seed, *, rounds=8, depth=5, n_rows=400):
    """Train a random model; return it with rows on its thresholds, margins and predictions."""
    import xgboost

    rng = np.random.default_rng(seed)
    objective = list(OBJECTIVES)[seed % len(OBJECTIVES)]
    X = rng.normal(size=(300, 5))
    X[:, 1] = rng.choice(TINY, 300)
    X[:, 2] = rng.integers(0, 4, 300) / 3
    X[:, 3] = rng.choice([0, 1, 2, 5, 7, 40, 90, 1000], 300)
    X[:, 4] = rng.integers(0, 30, 300)
    score = X[:, 0] + X[:, 3] % 3 + X[:, 4] % 5 / 2 + rng.normal(size=300)
    X[rng.random(X.shape) < 0.1] = np.nan
    targets = {
        "multi:softprob": np.clip(score, 0, 2).astype(int),
        "count:poisson": np.abs(score).astype(int),
        "reg:gamma": np.abs(score) + 0.1,
        "reg:squarederror": score,
    }
    has_categories = seed % 3 > 0
    types = ["float"] * 3 + ["c" if has_categories else "float"] * 2
    matrix = {"feature_types": types, "enable_categorical": True}
    data = xgboost.DMatrix(X, np.asarray(targets.get(objective, score > 2), float), **matrix)
    if objective == "rank:ndcg":
        data.set_group([30] * 10)
    parameters = {
        "objective": objective,
        "max_depth": depth,
        "nthread": 1,
        "seed": seed,
        "gamma": seed % 2,
    }
    parameters |= {"max_cat_to_onehot": [1, 4, 30][seed % 3], **OBJECTIVES[objective]}
    if not has_categories and seed % 2:
        parameters["tree_method"] = "exact"
    if seed % 5 == 0:
        parameters |= {"grow_policy": "lossguide", "max_leaves": 12, "tree_method": "hist"}
    if seed % 11 == 0:
        parameters |= {"num_parallel_tree": 3, "subsample": 0.7}
    model = xgboost.train(parameters, data, rounds)
    document = json.loads(bytes(model.save_raw("json")))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    cuts = np.array([cut for tree in trees for cut in tree["split_conditions"]])
    single = cuts.astype(np.float32)
    near = [cuts, np.nextafter(cuts, 9), np.nextafter(cuts, -9), single]
    near += [np.nextafter(single, np.float32(9)), np.nextafter(single, np.float32(-9))]
    odd = np.repeat([*TINY, np.nan, 1e30, -1e30, 3.7], 10)
    rows = X[rng.integers(0, 300, n_rows)].copy()
    replaced = rng.random(rows.shape) < 0.5
    rows[replaced] = rng.choice(np.concatenate([*near, odd]).astype(float), replaced.sum())
    if has_categories:
        rows[:, 3:] = rng.choice(CATEGORIES, (n_rows, 2))
    data = xgboost.DMatrix(rows, **matrix)
    margin = model.predict(data, output_margin=True).astype(float)
    return objective, model, rows, margin, data


if find_spec("xgboost") is not None:

    @pytest.mark.parametrize("seed", range(int(os.environ.get("CHURNKIT_FUZZ_MODELS", "28"))))
    def test_random_models_score_the_same_bits(seed, fast):
        _, model, rows, margin, _ = train(seed)
        _equal(model, rows, margin, fast)
        binary = compile_xgboost(bytes(model.save_raw("ubj")), fast=fast)
        np.testing.assert_array_equal(binary.raw_score(rows), margin)


def _store():
    """Write small models of each objective, with categories and without."""
    unread = ("base_weights", "loss_changes", "parents", "id")
    cases: dict[str, list[object]] = {name: [] for name in OBJECTIVES}
    for seed in range(14):
        objective, model, rows, margin, data = train(seed, rounds=2, depth=3, n_rows=16)
        document = json.loads(bytes(model.save_raw("json")))
        if seed == BINARY_SEED:
            BINARY.write_bytes(bytes(model.save_raw("ubj")))
        for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
            for key in unread:
                del tree[key]
        cases[objective].append(
            {
                "model": document,
                "rows": rows.tolist(),
                "margin": margin.tolist(),
                "prediction": model.predict(data).astype(float).tolist(),
                "contributions": model.predict(data, pred_contribs=True).astype(float).tolist(),
            }
        )
    STORED.write_text(json.dumps(cases, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _store()
