# Peers are often not installed where types are checked.
# mypy: disable-error-code="import-not-found, import-untyped"

"""Other evaluators of the same LightGBM model, each where it is installed.

`benchmarks/trees.py` runs this file in its own interpreter and in those it is given. It needs
numpy and lightgbm; churnkit is not imported. It prints one JSON object: rows a CPU-second of
each peer, beside those of ``Booster.predict`` in the same process, or why there is none.
"""

from __future__ import annotations

import ctypes
import json
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


def lleaves_scorer(path: str, X: Any) -> Callable[[], Any]:
    """Compile by lleaves."""
    import lleaves

    model = lleaves.Model(model_file=path)
    model.compile(raw_score=True)
    return lambda: model.predict(X, n_jobs=1)


def treelite_scorer(path: str, X: Any) -> Callable[[], Any]:
    """Compile by treelite and tl2cgen to machine code."""
    import tl2cgen
    import treelite

    model = treelite.frontend.load_lightgbm_model(path)
    folder = tempfile.mkdtemp()
    library = str(Path(folder) / "model.so")
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 1})
    predictor = tl2cgen.Predictor(library, nthread=1)
    return lambda: predictor.predict(tl2cgen.DMatrix(X, dtype="float64"), pred_margin=True)


def onnx_scorer(path: str, X: Any) -> Callable[[], Any]:
    """Convert by onnxmltools and run by onnxruntime, in float32."""
    import onnxmltools
    import onnxruntime
    from onnxmltools.convert.common.data_types import FloatTensorType

    booster = lightgbm.Booster(model_file=path)
    shape = FloatTensorType([None, X.shape[1]])
    converted = onnxmltools.convert_lightgbm(booster, initial_types=[("rows", shape)], zipmap=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    narrow = X.astype(np.float32)
    return lambda: session.run(None, {"rows": narrow})


def lignum_scorer(path: str, X: Any) -> Callable[[], Any]:
    """Load by pylignum, which reads the model's trees."""
    import lignum

    model = lignum.load(path)
    return lambda: model.predict(X, raw_score=True, n_jobs=1)


def compiled_lignum_scorer(path: str, X: Any) -> Callable[[], Any]:
    """Compile by pylignum to machine code with the compiler of this machine."""
    import lignum

    model = lignum.load(path)
    model.compile(jobs=1)
    return lambda: model.predict(X, raw_score=True, n_jobs=1)


def woodelf_scorer(path: str, X: Any) -> Callable[[], Any]:
    """Explain by woodelf.WoodelfExplainer, by the training rows of each node."""
    import pandas as pd
    from woodelf import WoodelfExplainer

    explainer = WoodelfExplainer(lightgbm.Booster(model_file=path))
    frame = pd.DataFrame(X, columns=[f"Column_{at}" for at in range(X.shape[1])])
    return lambda: explainer.shap_values(frame)


def shap_scorer(path: str, X: Any) -> Callable[[], Any]:
    """Explain by shap.TreeExplainer."""
    import shap

    explainer = shap.TreeExplainer(lightgbm.Booster(model_file=path))
    return lambda: explainer.shap_values(X, check_additivity=False)


# Name -> (package, what prepares it, whether it explains instead of scoring).
PEERS: dict[str, tuple[str, Callable[[str, Any], Callable[[], Any]], bool]] = {
    "lleaves": ("lleaves", lleaves_scorer, False),
    "treelite, compiled by tl2cgen": ("tl2cgen", treelite_scorer, False),
    "onnxruntime (float32)": ("onnxruntime", onnx_scorer, False),
    "pylignum": ("pylignum", lignum_scorer, False),
    "pylignum, compiled": ("pylignum", compiled_lignum_scorer, False),
    "shap.TreeExplainer": ("shap", shap_scorer, True),
    "woodelf": ("woodelf-explainer", woodelf_scorer, True),
}


def measure(path: str, X: Any) -> dict[str, Any]:
    """Measure every peer that is installed here."""
    booster = lightgbm.Booster(model_file=path)
    few = X[:200]
    own_score = cpu_seconds(lambda: booster.predict(X, raw_score=True, num_threads=1))
    results: dict[str, Any] = {}
    for name, (package, prepare, explains) in PEERS.items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        rows = few if explains else X
        own = own_score
        if explains:
            own = cpu_seconds(lambda: booster.predict(few, pred_contrib=True, num_threads=1), 1)
        try:
            spent = cpu_seconds(prepare(path, rows))
        except Exception as failure:  # noqa: BLE001 - a peer that cannot do it is a result too
            reason = str(failure).strip().splitlines() or [type(failure).__name__]
            results[name] = {
                "version": version,
                "explains": explains,
                "failed": reason[0][:160],
            }
            continue
        results[name] = {
            "version": version,
            "explains": explains,
            "rows_a_cpu_second": len(rows) / spent,
            "against_lightgbm": own / spent,
        }
    return results


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(measure(sys.argv[1], np.load(sys.argv[2]))))
