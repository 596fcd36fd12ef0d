"""The causes of churn in a bundle: shares of each customer's churn risk by cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.bundle.parts.part_reader import check_part, read_document
from churnkit.decisions.competing_risks import check_causes
from churnkit.errors import BundleError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.decisions import Catalogue
    from churnkit.models.survival.competing_risks_scorer import CompetingRisksScorer

__all__ = ["cause_columns", "cause_shares", "read_causes", "refuse_unknown_causes", "write_causes"]

_FILE = "causes.json"


def cause_shares(
    causes: CompetingRisksScorer, features: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of each cause in the churn risk of customers, (n, causes).

    Parameters
    ----------
    causes
        Hazards of the causes within the outcome window.
    features
        (n, f) encoded.
    """
    return causes.cause_shares(np.ascontiguousarray(features))


def cause_columns(
    causes: CompetingRisksScorer | None,
    name: str,
    encoded: Encoded,
    probabilities: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Return ``churn_probability_voluntary``, ...: the probability of leaving for each cause.

    Raises
    ------
    RecipeError
        If the model was trained without causes.
    """
    if causes is None:
        raise RecipeError(
            f"model '{name}' was trained without causes of churn: declare their column with cause() "
            "in the schema and retrain"
        )
    columns = np.full((len(probabilities), len(causes.causes)), np.nan)
    valid = encoded.valid
    columns[valid] = probabilities[valid, None] * cause_shares(causes, encoded.features[valid])
    return {f"churn_probability_{cause}": columns[:, at] for at, cause in enumerate(causes.causes)}


def refuse_unknown_causes(catalogue: Catalogue | None, causes: CompetingRisksScorer | None) -> None:
    """Refuse a catalogue whose actions prevent causes that the bundle has no hazards of.

    Raises
    ------
    BundleError
        Names the action and the cause.
    """
    if catalogue is None:
        return
    try:
        check_causes(catalogue, () if causes is None else causes.causes)
    except RecipeError as error:
        raise BundleError(f"{error}: retrain") from error


def write_causes(
    causes: CompetingRisksScorer, golden: NDArray[np.float64] | None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the settings of the causes, and their arrays with the shares of the golden rows."""
    settings, arrays = causes.to_arrays()
    if golden is not None:
        arrays = {**arrays, "golden": cause_shares(causes, golden)}
    return settings, arrays


def read_causes(
    files: Mapping[str, bytes],
    arrays: Mapping[str, NDArray[Any]],
    *,
    features: int,
    golden: NDArray[np.float64] | None,
) -> CompetingRisksScorer | None:
    """Restore the causes of a bundle, if any, and compute the shares of the golden rows again.

    Raises
    ------
    BundleError
        If they do not fit the contract, or the golden shares differ from those stored.
    """
    settings = read_document(_FILE, files, arrays)
    if settings is None:
        return None
    from churnkit.models.survival.competing_risks_scorer import CompetingRisksScorer

    causes = CompetingRisksScorer.from_arrays(settings, arrays)
    check_part(
        "the hazard of the causes of churn", causes.n_features,
        lambda rows: cause_shares(causes, rows), arrays, features=features, golden=golden,
    )  # fmt: skip
    return causes
