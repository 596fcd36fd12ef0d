"""How long customers stay, from the hazard that a bundle may hold beside its scorer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from churnkit.contracts.encoding.encoded import Encoded
    from churnkit.models.survival.scorer import HazardScorer

__all__ = ["lifetime_columns", "read_hazard", "survival_columns", "write_hazard"]

_FILE = "hazard.json"
_TOLERANCE = 1e-12


def write_hazard(
    hazard: HazardScorer, golden: NDArray[np.float64] | None
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a hazard's settings, and its arrays with what it says of the golden rows."""
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
) -> HazardScorer | None:
    """Restore the hazard of a bundle, if it has one, and score the golden rows again.

    Raises
    ------
    BundleError
        If it does not fit the contract, or scores otherwise than when it was packed.
    """
    if _FILE not in files:
        if arrays:
            raise BundleError(f"the bundle lacks {_FILE}: train again")
        return None
    from churnkit.models.survival.scorer import HazardScorer

    settings = json.loads(files[_FILE])
    if not isinstance(settings, dict):
        raise BundleError(f"{_FILE} is not a bundle's: train again")
    hazard = HazardScorer.from_arrays(settings, arrays)
    if hazard.n_features != features:
        raise BundleError(
            f"the hazard reads {hazard.n_features} columns, the contract encodes {features}: "
            "train again"
        )
    if golden is not None:
        with np.errstate(all="ignore"):
            got = hazard.raw_score(golden)
        known = arrays.get("golden", np.empty(0))
        if known.shape != got.shape or not np.allclose(got, known, rtol=0, atol=_TOLERANCE):
            raise BundleError(
                "the hazard does not score the golden rows as it did when it was packed: this "
                "machine or this version of churnkit computes otherwise; train again"
            )
    return hazard


def survival_columns(
    hazard: HazardScorer | None, name: str, encoded: Encoded, times: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """Return ``survival_1``, ``survival_3``, ...: the chance to be there still at each time."""
    found = _filled(encoded, _present(hazard, name).survival(_rows(encoded), list(times)))
    return {f"survival_{time:g}": found[:, at] for at, time in enumerate(times)}


def lifetime_columns(
    hazard: HazardScorer | None, name: str, encoded: Encoded, horizon: float | None
) -> dict[str, NDArray[np.float64]]:
    """Return ``expected_lifetime``: until leaving or the horizon, whichever comes first."""
    found = _present(hazard, name).lifetime(_rows(encoded), horizon=horizon)
    return {"expected_lifetime": _filled(encoded, found[:, None])[:, 0]}


def _present(hazard: HazardScorer | None, name: str) -> HazardScorer:
    if hazard is None:
        raise RecipeError(
            f"model '{name}' was trained without a hazard: say in the recipe how long customers "
            "were watched (lifetime=Lifetime(...)) and train again"
        )
    return hazard


def _rows(encoded: Encoded) -> NDArray[np.float64]:
    return np.ascontiguousarray(encoded.features[encoded.valid])


def _filled(encoded: Encoded, found: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a row for each row read; NaN where it breaks a rule."""
    filled = np.full((len(encoded.matrix), found.shape[1]), np.nan)
    filled[encoded.valid] = found
    return filled
