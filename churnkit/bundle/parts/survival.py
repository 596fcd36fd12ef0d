"""The hazard model in a bundle: survival probabilities and expected lifetimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.parts.part_reader import check_part, read_document
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.models.survival.competing_risks_scorer import CompetingRisksScorer
    from churnkit.models.survival.scorer import HazardScorer

    Hazard = HazardScorer | CompetingRisksScorer

__all__ = [
    "incidence_columns",
    "lifetime_columns",
    "read_hazard",
    "survival_columns",
    "write_hazard",
]

_FILE = "hazard.json"


def write_hazard(
    hazard: Hazard, golden: NDArray[np.float64] | None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a hazard model's settings, and its arrays with the scores of the golden rows."""
    settings, arrays = hazard.to_arrays()
    if golden is not None:
        arrays = {**arrays, "golden": hazard.raw_score(golden)}
    return settings, arrays


def read_hazard(
    files: Mapping[str, bytes],
    arrays: Mapping[str, NDArray[Any]],
    *,
    features: int,
    golden: NDArray[np.float64] | None,
) -> Hazard | None:
    """Restore the hazard model of a bundle, if any, and score the golden rows again.

    Raises
    ------
    BundleError
        If it does not fit the contract, or the golden scores differ from those stored.
    """
    settings = read_document(_FILE, files, arrays)
    if settings is None:
        return None
    from churnkit.models.survival.competing_risks_scorer import CompetingRisksScorer
    from churnkit.models.survival.scorer import HazardScorer

    kind = CompetingRisksScorer if "causes" in settings else HazardScorer
    hazard = kind.from_arrays(settings, arrays)
    check_part(
        "the hazard model", hazard.n_features, hazard.raw_score, arrays, features=features,
        golden=golden,
    )  # fmt: skip
    return hazard


def incidence_columns(
    hazard: Hazard | None, name: str, encoded: Encoded, times: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """Return ``incidence_voluntary_3``, ...: the probability of having left for a cause.

    Raises
    ------
    RecipeError
        If the model was trained without a hazard model, or without causes.
    """
    from churnkit.models.survival.competing_risks_scorer import CompetingRisksScorer

    known = _require(hazard, name)
    if not isinstance(known, CompetingRisksScorer):
        raise RecipeError(
            f"model '{name}' has a hazard of any cause: add cause= to lifetime=Lifetime(...) in the "
            "recipe and retrain"
        )
    incidence = known.incidence(_valid_rows(encoded), list(times))
    return {
        f"incidence_{cause}_{time:g}": _fill(encoded, incidence[:, [column], position])[:, 0]
        for position, cause in enumerate(known.causes)
        for column, time in enumerate(times)
    }


def survival_columns(
    hazard: Hazard | None, name: str, encoded: Encoded, times: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """Return ``survival_1``, ``survival_3``, ...: the probability of staying beyond each time."""
    survival = _fill(encoded, _require(hazard, name).survival(_valid_rows(encoded), list(times)))
    return {f"survival_{time:g}": survival[:, column] for column, time in enumerate(times)}


def lifetime_columns(
    hazard: Hazard | None, name: str, encoded: Encoded, horizon: float | None
) -> dict[str, NDArray[np.float64]]:
    """Return ``expected_lifetime``: the time until churn or the horizon."""
    lifetimes = _require(hazard, name).lifetime(_valid_rows(encoded), horizon=horizon)
    return {"expected_lifetime": _fill(encoded, lifetimes[:, None])[:, 0]}


def _require(hazard: Hazard | None, name: str) -> Hazard:
    if hazard is None:
        raise RecipeError(
            f"model '{name}' was trained without a hazard model: add lifetime=Lifetime(...) to the "
            "recipe and retrain"
        )
    return hazard


def _valid_rows(encoded: Encoded) -> NDArray[np.float64]:
    return np.ascontiguousarray(encoded.features[encoded.valid])


def _fill(encoded: Encoded, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one row per input row; NaN where it breaks a rule."""
    filled = np.full((len(encoded.matrix), values.shape[1]), np.nan)
    filled[encoded.valid] = values
    return filled
