"""A tested model: fitted without the test customers, for metrics and comparisons on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.bundle.parts.part_reader import check_part, read_document
from churnkit.models.calibration.maps import Calibration
from churnkit.models.scorers.base import load_scorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from churnkit.models.scorers.base import Scorer

__all__ = ["DOCUMENT", "EvaluationModel", "read_evaluation", "write_evaluation"]

DOCUMENT = "evaluation.json"
_CALIBRATION = "calibration_"


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
    document = read_document(DOCUMENT, files, arrays)
    if document is None:
        return None
    own = {n: a for n, a in arrays.items() if not n.startswith(_CALIBRATION)}
    calibration = {
        n.removeprefix(_CALIBRATION): a for n, a in arrays.items() if n.startswith(_CALIBRATION)
    }
    model = EvaluationModel(
        load_scorer(document["kind"], document["settings"], own),
        Calibration.from_arrays(document["calibration"], calibration),
    )
    check_part(
        "the tested model", model.scorer.n_features, model.probabilities, arrays,
        features=features, golden=golden,
    )  # fmt: skip
    return model
