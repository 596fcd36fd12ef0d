# Peers are often not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped"

"""Other evaluators of the same LightGBM model, each where it is installed.

`benchmarks/trees.py` runs this file in its own interpreter and in those it is given. It needs
numpy and lightgbm; churnkit is not imported. It prints one JSON object: rows a CPU-second of
each peer, beside those of ``Booster.predict`` in the same process, or why there is none.

Arguments: a model's text, rows as ``.npy``, and kinds of peers (scores, compiles, explains).
"""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Scorer = Callable[[Any], Any]

TURNS = 3


def cpu_seconds(work: Callable[[], Any], turns: int = TURNS) -> float:
    """Return the median CPU time of some turns, after one that does not count."""
    work()
    spent = []
    for _ in range(turns):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def single_row_fast(booster: Any, n_features: int) -> Callable[[Any], float]:
    """Prepare LightGBM's own fast call for one row; returns a function of a row's pointer."""
    library = lightgbm.basic._LIB  # noqa: SLF001 - the C interface has no other door
    config = ctypes.c_void_p()
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle,  # noqa: SLF001
        ctypes.c_int(1),  # raw score
        ctypes.c_int(0),
        ctypes.c_int(-1),
        ctypes.c_int(1),  # float64
        ctypes.c_int32(n_features),
        ctypes.c_char_p(b"num_threads=1"),
        ctypes.byref(config),
    )
    length, answer = ctypes.c_int64(), (ctypes.c_double * 1)()
    length_at, call = ctypes.byref(length), library.LGBM_BoosterPredictForMatSingleRowFast

    def predict(pointer: Any) -> float:
        call(config, pointer, length_at, answer)
        return answer[0]

    return predict


def lleaves_scorer(path: str) -> Scorer:
    """Compile by lleaves."""
    import lleaves

    model = lleaves.Model(model_file=path)
    model.compile(raw_score=True)
    return lambda X: model.predict(X, n_jobs=1)


def treelite_scorer(path: str) -> Scorer:
    """Load by treelite, which interprets the trees."""
    import treelite

    model = treelite.frontend.load_lightgbm_model(path)
    return lambda X: treelite.gtil.predict(model, X, nthread=1, pred_margin=True)


def compiled_treelite_scorer(path: str) -> Scorer:
    """Compile by treelite and tl2cgen to machine code."""
    import tl2cgen
    import treelite

    model = treelite.frontend.load_lightgbm_model(path)
    folder = tempfile.mkdtemp()
    library = str(Path(folder) / "model.so")
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 1})
    predictor = tl2cgen.Predictor(library, nthread=1)
    return lambda X: predictor.predict(tl2cgen.DMatrix(X, dtype="float64"), pred_margin=True)


def onnx_scorer(path: str) -> Scorer:
    """Convert by onnxmltools and run by onnxruntime, in float32."""
    import onnxmltools
    import onnxruntime
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = lightgbm.Booster(model_file=path)
    shape = FloatTensorType([None, booster.num_feature()])
    converted = onnxmltools.convert_lightgbm(booster, initial_types=[("rows", shape)], zipmap=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda X: session.run(None, {"rows": X.astype(np.float32)})


def lignum_scorer(path: str) -> Scorer:
    """Load by pylignum, which reads the model's trees."""
    import lignum

    model = lignum.load(path)
    return lambda X: model.predict(X, raw_score=True, n_jobs=1)


def compiled_lignum_scorer(path: str) -> Scorer:
    """Compile by pylignum to machine code with the compiler of this machine."""
    import lignum

    model = lignum.load(path)
    # A folder of its own, since compiled models are cached.
    model.compile(jobs=1, work_dir=tempfile.mkdtemp())
    return lambda X: model.predict(X, raw_score=True, n_jobs=1)


def woodelf_scorer(path: str) -> Scorer:
    """Explain by woodelf.WoodelfExplainer, by the training rows of each node."""
    import pandas as pd
    from woodelf import WoodelfExplainer

    explainer = WoodelfExplainer(lightgbm.Booster(model_file=path))
    return lambda X: explainer.shap_values(
        pd.DataFrame(X, columns=[f"Column_{at}" for at in range(X.shape[1])])
    )


def shap_scorer(path: str) -> Scorer:
    """Explain by shap.TreeExplainer."""
    import shap

    explainer = shap.TreeExplainer(lightgbm.Booster(model_file=path))
    return lambda X: explainer.shap_values(X, check_additivity=False)


SCORES, COMPILES, EXPLAINS = "scores", "compiles", "explains"
# Name -> (package, what prepares it, its kind).
PEERS: dict[str, tuple[str, Callable[[str], Scorer], str]] = {
    "lleaves": ("lleaves", lleaves_scorer, COMPILES),
    "treelite": ("treelite", treelite_scorer, SCORES),
    "treelite, compiled by tl2cgen": ("tl2cgen", compiled_treelite_scorer, COMPILES),
    "onnxruntime (float32)": ("onnxruntime", onnx_scorer, SCORES),
    "pylignum": ("pylignum", lignum_scorer, SCORES),
    "pylignum, compiled": ("pylignum", compiled_lignum_scorer, COMPILES),
    "shap.TreeExplainer": ("shap", shap_scorer, EXPLAINS),
    "woodelf": ("woodelf-explainer", woodelf_scorer, EXPLAINS),
}


def measure(path: str, X: Any, kinds: set[str]) -> dict[str, Any]:
    """Measure every peer of some kinds that is installed here."""
    booster = lightgbm.Booster(model_file=path)
    few = X[:200]
    own_score = cpu_seconds(lambda: booster.predict(X, raw_score=True, num_threads=1))
    results: dict[str, Any] = {}
    for name, (package, prepare, kind) in PEERS.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        if kind not in kinds:
            continue
        explains = kind == EXPLAINS
        rows, own = few if explains else X, own_score
        if explains:
            own = cpu_seconds(lambda: booster.predict(few, pred_contrib=True, num_threads=1), 1)
        results[name] = {"version": version, "explains": explains}
        try:
            results[name] |= _measure_peer(prepare, path, rows, own)
        except Exception as failure:  # noqa: BLE001 - a peer that cannot do it is a result too
            reason = str(failure).strip().splitlines() or [type(failure).__name__]
            results[name]["failed"] = reason[0][:160]
    return results


def _measure_peer(
    prepare: Callable[[str], Scorer], path: str, rows: Any, own: float
) -> dict[str, float]:
    """Measure preparing, many rows, and one row at a time."""
    start = _all_cpu_seconds()
    score = prepare(path)
    prepared = _all_cpu_seconds() - start
    spent = cpu_seconds(lambda: score(rows))
    single = [rows[at : at + 1] for at in range(100)]
    alone = cpu_seconds(lambda: [score(row) for row in single]) / len(single)
    return {
        "prepare_cpu_seconds": prepared,
        "rows_a_cpu_second": len(rows) / spent,
        "against_lightgbm": own / spent,
        "one_row_seconds": alone,
    }


def _all_cpu_seconds() -> float:
    """Return the CPU time of this process and of compilers that it has called."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(measure(sys.argv[1], np.load(sys.argv[2]), set(sys.argv[3].split(",")))))
