"""A tested model: fitted without the test customers, for metrics and comparisons on them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.base import load_scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.models.scorers.base import Scorer

__all__ = ["DOCUMENT", "EvaluationModel", "read_evaluation", "write_evaluation"]

DOCUMENT = "evaluation.json"
_CALIBRATION = "calibration_"
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class EvaluationModel:
    """Scorer and calibration that were fitted without the test customers.

    Parameters
    ----------
    scorer
        From encoded features to log-odds.
    calibration
        From log-odds to probability.
    """

    scorer: Scorer
    calibration: Calibration

    def probabilities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the churn probabilities of encoded rows, (n,)."""
        return self.calibration.apply(self.scorer.raw_score(rows))


def write_evaluation(
    model: EvaluationModel, golden: NDArray[np.float64] | None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a tested model's settings, and its arrays with the scores of the golden rows."""
    settings, arrays = model.scorer.to_arrays()
    calibration, calibration_arrays = model.calibration.to_arrays()
    arrays = arrays | {f"{_CALIBRATION}{name}": a for name, a in calibration_arrays.items()}
    if golden is not None:
        arrays["golden"] = model.probabilities(golden)
    document = {"kind": model.scorer.kind, "settings": settings, "calibration": calibration}
    return document, arrays


def read_evaluation(
    files: Mapping[str, bytes],
    arrays: Mapping[str, NDArray[Any]],
    *,
    features: int,
    golden: NDArray[np.float64] | None,
) -> EvaluationModel | None:
    """Restore the tested model of a bundle, if any, and score the golden rows again.

    Raises
    ------
    BundleError
        If it does not fit the contract, or the golden scores differ from those stored.
    """
    if DOCUMENT not in files:
        if arrays:
            raise BundleError(f"the bundle lacks {DOCUMENT}: retrain")
        return None
    document = json.loads(files[DOCUMENT])
    if not isinstance(document, dict):
        raise BundleError(f"{DOCUMENT} is not a JSON object: retrain")
    own = {n: a for n, a in arrays.items() if not n.startswith(_CALIBRATION)}
    calibration = {
        n.removeprefix(_CALIBRATION): a for n, a in arrays.items() if n.startswith(_CALIBRATION)
    }
    model = EvaluationModel(
        load_scorer(document["kind"], document["settings"], own),
        Calibration.from_arrays(document["calibration"], calibration),
    )
    if model.scorer.n_features != features:
        raise BundleError(
            f"the tested model reads {model.scorer.n_features} columns, the contract encodes "
            f"{features}: retrain"
        )
    if golden is not None:
        _check_golden(model, golden, arrays.get("golden", np.empty(0)))
    return model


def _check_golden(
    model: EvaluationModel, golden: NDArray[np.float64], stored: NDArray[Any]
) -> None:
    with np.errstate(all="ignore"):
        scores = model.probabilities(golden)
    if stored.shape != scores.shape or not np.allclose(scores, stored, rtol=0, atol=_TOLERANCE):
        raise BundleError(
            "the tested model does not score the golden rows as it did when the bundle was saved: "
            "this machine or this version of churnkit computes differently; retrain"
        )
