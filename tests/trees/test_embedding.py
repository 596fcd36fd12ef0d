import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from churnkit.errors import BundleError, MissingExtraError
from churnkit.trees import CompiledTrees, compile_booster


@pytest.fixture(params=[pytest.param(True, id="numba"), pytest.param(False, id="numpy")])
def fast(request):
    if request.param:
        pytest.importorskip("numba")
    return request.param


@pytest.fixture(scope="module")
def many(rows):
    return np.tile(rows, (9, 1))


def test_any_number_of_threads_gives_the_same_bits(train, many, fast):
    trees = compile_booster(train("binary"), fast=fast)
    alone = trees.predict(many)
    np.testing.assert_array_equal(trees.predict(many, threads=3), alone)
    explained = trees.contributions(many[:1200])
    np.testing.assert_array_equal(trees.contributions(many[:1200], threads=2), explained)


def test_no_thread_at_all_is_refused(train, rows):
    with pytest.raises(ValueError, match="threads"):
        compile_booster(train("binary")).predict(rows, threads=0)


def test_eight_threads_may_share_one_fresh_model(train, rows, fast):
    expected = compile_booster(train("255 leaves"), fast=fast).raw_score(rows)
    shared = compile_booster(train("255 leaves"), fast=fast)

    def score(_):
        row = shared.predict_row(rows[0].tolist())
        return shared.raw_score(rows), row, shared.contributions(rows[:30])

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(score, range(16)))
    for scores, row, explained in results:
        np.testing.assert_array_equal(scores, expected)
        assert row == expected[0]
        np.testing.assert_array_equal(explained, results[0][2])


def test_two_models_in_one_process_do_not_mix(train, rows, fast):
    one, two = (compile_booster(train(shape), fast=fast) for shape in ("binary", "poisson"))
    first, second = one.raw_score(rows), two.raw_score(rows)
    np.testing.assert_array_equal(one.raw_score(rows), first)
    assert not np.array_equal(first, second)


def run(script, *arguments, **environment):
    """Run a script in a fresh interpreter and return what it prints as JSON."""
    settings = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=settings | {key.upper(): value for key, value in environment.items()},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def saved(train, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.txt"
    path.write_text(train("binary").model_to_string())
    return str(path)


IMPORTS = """
import json, sys
import churnkit.trees
at_import = sorted(sys.modules)
trees = churnkit.trees.compile_booster(open(sys.argv[1]).read(), fast=sys.argv[2] == "fast")
rows = [[0.5, 3, 1, 0, 0, 9, 0, 7.0]] * 200
trees.predict(rows); trees.predict_row(rows[0]); trees.contributions(rows)
after = sorted(sys.modules)
heavy = {"numba", "lightgbm", "sklearn", "pandas", "scipy", "pyarrow"}
print(json.dumps([sorted(heavy & set(names)) for names in (at_import, after)]))
"""


def test_importing_and_scoring_load_nothing_heavy(saved):
    at_import, after = run(IMPORTS, saved, "plain")
    assert at_import == []
    assert after == []


def test_kernels_load_numba_and_nothing_else_heavy(saved):
    pytest.importorskip("numba")
    at_import, after = run(IMPORTS, saved, "fast")
    assert at_import == []
    assert set(after) <= {"numba", "scipy"}
    assert "numba" in after


PATIENT = """
import json, sys
import numpy as np
import churnkit.trees.compiled as compiled
trees = compiled.compile_booster(open(sys.argv[1]).read())
X = np.random.default_rng(0).normal(size=(9000, 8))
scores, explained, row = trees.raw_score(X), trees.contributions(X[:40]), trees.predict_row(X[0])
at_first = "numba" in sys.modules
compiled._PLAIN_SECONDS = 0.0
row_after = trees.predict_row(X[0])
alone = "numba" in sys.modules
same = np.array_equal(trees.raw_score(X), scores) and row == row_after
same = same and np.array_equal(trees.contributions(X[:40]), explained)
print(json.dumps([at_first, alone, "numba" in sys.modules, bool(same)]))
"""


def test_first_rows_are_scored_without_kernels_and_the_rest_the_same(saved):
    pytest.importorskip("numba")
    assert run(PATIENT, saved) == [False, False, True, True]


FORK = """
import json, os, sys
import numpy as np
from churnkit.trees import compile_booster
trees = compile_booster(open(sys.argv[1]).read())
X = np.random.default_rng(0).normal(size=(9000, 8))
before = trees.predict(X, threads=2)
read, write = os.pipe()
child = os.fork()
if child == 0:
    same = np.array_equal(trees.predict(X, threads=2), before)
    same = same and trees.predict_row(X[0].tolist()) == trees.raw_score(X[:1])[0]
    os.write(write, b"1" if same else b"0")
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([os.read(read, 1).decode(), bool(np.array_equal(trees.predict(X), before))]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_model_scores_after_a_fork_as_before(saved):
    assert run(FORK, saved) == ["1", True]


STAMPS = """
import json, sys
from churnkit.trees.engines.numba_kernels import score_block
from churnkit.trees.engines.numba_row_kernels import score_by_masks
from churnkit.trees.engines.numba_shap_kernels import explain_block
kernels = (score_block, score_by_masks, explain_block)
stamps = {str(kernel._cache._cache_file._source_stamp) for kernel in kernels}
print(json.dumps(sorted(stamps)))
"""


def test_machine_code_is_kept_only_while_no_kernel_file_changes():
    """A kernel contains functions of other files, so one digest of all files is its stamp."""
    pytest.importorskip("numba")
    (stamp,) = run(STAMPS)
    assert len(stamp) == 64


READ_ONLY = """
import json, sys
import numba.core.caching as caching
class Nowhere:
    @classmethod
    def from_function(cls, function, path):
        return None
caching.CacheImpl._locator_classes = [Nowhere]
from churnkit.trees.engines.numba_row_kernels import score_by_traversal
from churnkit.trees import compile_booster
trees = compile_booster(open(sys.argv[1]).read(), fast=True)
row = [0.5, 3, 1, 0, 0, 9, 0, 7.0]
plain = compile_booster(open(sys.argv[1]).read(), fast=False)
print(json.dumps(trees.predict_row(row) == plain.predict_row(row)))
"""


def test_kernels_work_where_no_cache_can_be_written(saved):
    pytest.importorskip("numba")
    assert run(READ_ONLY, saved) is True


PROCESSORS = """
import json, sys
from hashlib import sha256
import numpy as np
from churnkit.trees import compile_booster
trees = compile_booster(open(sys.argv[1]).read(), fast=sys.argv[2] == "numba")
X = np.random.default_rng(0).normal(size=(3000, 8)) * 9
X[::7] = np.nan
rows = [trees.predict_row(row) for row in X[:50].tolist()]
parts = [trees.raw_score(X), np.array(rows), trees.contributions(X[:100])]
print(json.dumps([sha256(part.tobytes()).hexdigest() for part in parts]))
"""


@pytest.mark.slow
def test_kernels_for_the_oldest_processor_give_the_same_bits(saved, tmp_path):
    """Without AVX: numba compiles for the processor that it runs on."""
    pytest.importorskip("numba")
    own = run(PROCESSORS, saved, "numba")
    other = {
        "numba_cpu_name": "generic",
        "numba_cpu_features": "",
        "numba_cache_dir": str(tmp_path),
    }
    assert run(PROCESSORS, saved, "numba", **other) == own
    assert run(PROCESSORS, saved, "numpy") == own


def test_numpy_without_vector_instructions_gives_the_same_bits(saved):
    from numpy.lib import introspect

    loops = introspect.opt_func_info(func_name="add|multiply|maximum|greater").values()
    versions = {
        word for kinds in loops for kind in kinds.values() for word in kind["available"].split()
    }
    dispatched = sorted(word for word in versions if not word.startswith("baseline"))
    if not dispatched:
        pytest.skip("this NumPy has one version of its loops")
    own = run(PROCESSORS, saved, "numpy")
    assert run(PROCESSORS, saved, "numpy", npy_disable_cpu_features=" ".join(dispatched)) == own


def test_asking_for_kernels_without_numba_names_the_extra(train, monkeypatch):
    monkeypatch.setattr("churnkit.trees.compiled.has_numba", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install '?numba"):
        compile_booster(train("binary"), fast=True)
    assert compile_booster(train("binary")).n_trees == 7


BROKEN = """
import json, sys, warnings
sys.modules["numba"] = None
import churnkit.trees.engines.numba_engine as engine
engine.has_numba = lambda: True
import churnkit.trees.compiled as compiled
compiled.has_numba = lambda: True
text = open(sys.argv[1]).read()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    trees = compiled.compile_booster(text)
    trees.warm_up()
    score = trees.predict_row([0.0] * 8)
same = score == compiled.compile_booster(text, fast=False).predict_row([0.0] * 8)
try:
    compiled.compile_booster(text, fast=True).predict_row([0.0] * 8)
except Exception as refusal:
    print(json.dumps([same, [str(w.message) for w in caught], type(refusal).__name__]))
"""


def test_a_numba_that_cannot_be_imported_is_replaced_with_a_warning(saved):
    same, warned, refusal = run(BROKEN, saved)
    assert same
    assert len(warned) == 1
    assert "scoring with NumPy" in warned[0]
    assert refusal == "MissingExtraError"


def test_saved_settings_are_json_and_arrays_hold_no_objects(train, tmp_path, rows):
    trees = compile_booster(train("hundreds of categories"))
    settings, arrays = trees.to_arrays()
    settings = json.loads(json.dumps(settings))
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=False)
    loaded = {
        path.stem: np.load(path, allow_pickle=False, mmap_mode="r")
        for path in tmp_path.glob("*.npy")
    }
    again = CompiledTrees.from_arrays(settings, loaded)
    np.testing.assert_array_equal(again.raw_score(rows), trees.raw_score(rows))


@pytest.mark.parametrize("objective", ["binary", "multiclass", "square root"])
def test_trees_can_be_pickled_for_process_pools(train, objective, rows):
    import pickle

    trees = compile_booster(train(objective))
    again = pickle.loads(pickle.dumps(trees))  # noqa: S301  (its own bytes)
    np.testing.assert_array_equal(again.predict(rows), trees.predict(rows))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 3}, "upgrade"),
        ({"format": "1"}, "format"),
        ({"format": None}, "format"),
        ({"feature_names": "ab"}, "feature_names"),
        ({"feature_names": [1]}, "feature_names"),
        ({"feature_names": ["tenure"]}, "feature"),
        ({"objective": 3}, "objective"),
        ({"objective": "mystery"}, "mystery"),
        ({"n_outputs": 0}, "n_outputs"),
        ({"n_outputs": True}, "n_outputs"),
        ({"n_outputs": 2}, "n_outputs"),
        ({"average_output": 1}, "average_output"),
    ],
)
def test_settings_that_do_not_fit_are_refused(train, change, reason):
    settings, arrays = compile_booster(train("binary")).to_arrays()
    with pytest.raises(BundleError, match=reason):
        CompiledTrees.from_arrays(settings | change, arrays)


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("left", lambda a: None, "missing"),
        ("left", lambda a: a.tolist(), "not an array"),
        ("left", lambda a: a.astype(np.int64), "does not have type"),
        ("left", lambda a: a.reshape(1, -1), "one-dimensional"),
        ("left", lambda a: a[:-1], "length"),
        ("left", lambda a: a * 0, "points back"),
        ("right", lambda a: a + 1000, "out of range"),
        ("right", lambda a: a * 0 - 1000, "out of range"),
        ("feature", lambda a: a + 8, "out of range"),
        ("threshold", lambda a: a * np.nan, "NaN"),
        ("leaf_value", lambda a: a + np.inf, "infinity"),
        ("decision", lambda a: a + np.uint8(16), "kind"),
        ("node_count", lambda a: -a, "negative"),
        ("node_offset", lambda a: a + 1, "start at 0"),
        ("node_offset", lambda a: a[::-1] - a[-1], "not ascending"),
        ("category_set", lambda a: a + 1, "set"),
        ("category_words", lambda a: a[:-1], "length"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(train, name, damage, reason):
    settings, arrays = compile_booster(train("binary")).to_arrays()
    damaged = {**arrays, name: damage(arrays[name])}
    if damaged[name] is None:
        del damaged[name]
    with pytest.raises(BundleError, match=reason):
        CompiledTrees.from_arrays(settings, damaged)


def test_a_category_beyond_the_table_is_refused(train):
    settings, arrays = compile_booster(train("binary")).to_arrays()
    size = 2**20 + 1
    changed = {"category_offset": arrays["category_offset"] + 0}
    changed["category_offset"][1:] += size
    padding = np.zeros(size, np.uint32)
    changed["category_words"] = np.concatenate([padding, arrays["category_words"]])
    with pytest.raises(BundleError, match="33,554,431"):
        CompiledTrees.from_arrays(settings, arrays | changed)


def test_a_loop_among_nodes_is_refused(train):
    settings, arrays = compile_booster(train("binary")).to_arrays()
    left, right = arrays["left"].copy(), arrays["right"].copy()
    inner = np.flatnonzero((left > 0) & (right > 0))[0]
    right[inner] = left[inner]
    with pytest.raises(BundleError, match="parent"):
        CompiledTrees.from_arrays(settings, {**arrays, "right": right})


def test_a_model_of_a_common_size_takes_little_memory(train, rows):
    trees = compile_booster(train("255 leaves"))
    trees.predict(rows[:5])
    trees.contributions(rows)
    arrays = [array for part in vars(trees._layout).values() for array in _arrays(part)]
    assert sum(array.nbytes for array in arrays) < 20_000_000


def _arrays(part):
    if isinstance(part, np.ndarray):
        return [part]
    return [
        value for value in getattr(part, "__dict__", {}).values() if isinstance(value, np.ndarray)
    ]
