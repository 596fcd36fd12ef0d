"""Cumulative incidence of causes of churn from fitted hazards, with numpy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.errors import ModelDataError
from churnkit.models.scorers.base import check_matrix
from churnkit.models.survival.scorer import HazardScorer
from churnkit.models.survival.survival_curves import HazardBlock, SurvivalCurves

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["CompetingRisksScorer"]

# Largest hazard of all causes together in one period.
_MAX_HAZARD = 1.0 - 1e-12
_MAX_CAUSES = 32


class CompetingRisksScorer(SurvivalCurves):
    """Saved form of a `CompetingRisksModel`: the hazard of each cause.

    Survival, lifetimes and discounted periods count churn for any cause.

    Parameters
    ----------
    causes
        Names of the causes.
    scorers
        The hazard of each cause, with one width and horizon.

    Raises
    ------
    ModelDataError
        If the scorers differ in width, horizon or number of columns, or causes are not distinct.
    """

    kind: ClassVar[str] = "competing_risks"

    def __init__(self, causes: Sequence[str], scorers: Sequence[HazardScorer]) -> None:
        if not causes or len(set(causes)) != len(causes) or len(causes) != len(scorers):
            raise ModelDataError(
                "competing risks need one hazard for each of their distinct causes"
            )
        if len({(one.width, one.horizon, one.n_features) for one in scorers}) > 1:
            raise ModelDataError(
                "the hazards of competing risks differ in width, horizon or columns"
            )
        self.causes: tuple[str, ...] = tuple(causes)
        self.scorers: tuple[HazardScorer, ...] = tuple(scorers)
        self.width: float = scorers[0].width
        self.horizon: float = scorers[0].horizon

    @property
    def n_features(self) -> int:
        """Number of columns of the matrix."""
        return self.scorers[0].n_features

    def incidence(
        self, X: ArrayLike, times: ArrayLike, *, age: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the probability of having left for each cause by each time.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        times : (t,) from now, in the unit of the durations, zero or more
        age : (n,) or number
            Time that each customer has already survived; `times` count from there.

        Returns
        -------
        (n, t, causes) probabilities; with `survival` they sum to 1

        Raises
        ------
        ModelDataError
            Shapes differ, or a time is negative, not finite or too large.
        """
        matrix = check_matrix(X, self.n_features)
        ahead = self.to_periods(times, "times")
        result = np.zeros((len(matrix), len(ahead), len(self.causes)))
        for block, share in self._blocks(matrix, age, float(ahead.max(initial=0.0))):
            for column, end in enumerate(ahead.tolist()):
                hazard = block.hazard * block.period_shares(end)
                edges = np.cumsum(np.pad(hazard, ((0, 0), (1, 0))), axis=1)
                left = np.exp(-edges[:, :-1]) * -np.expm1(-hazard)
                result[block.rows, column] = np.einsum("np,npk->nk", left, share)
        return result

    def cause_shares(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the share of each cause in the churn within the horizon, (n, causes).

        The shares of a customer sum to 1.
        """
        incidence = self.incidence(X, [self.horizon])[:, 0]
        total = incidence.sum(axis=1, keepdims=True)
        # Without any hazard the causes cannot be told apart.
        even = np.full_like(incidence, 1.0 / len(self.causes))
        return np.where(total > 0.0, incidence / np.where(total > 0.0, total, 1.0), even)

    def blocks(
        self, matrix: NDArray[np.float64], age: ArrayLike | None, ahead: float
    ) -> Iterator[HazardBlock]:
        """Yield blocks of rows with the cumulative hazard of all causes in each period."""
        for block, _ in self._blocks(matrix, age, ahead):
            yield block

    def _blocks(
        self, matrix: NDArray[np.float64], age: ArrayLike | None, ahead: float
    ) -> Iterator[tuple[HazardBlock, NDArray[np.float64]]]:
        blocks = [scorer.blocks(matrix, age, ahead) for scorer in self.scorers]
        for parts in zip(*blocks, strict=True):
            yield _combine(parts)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        settings: list[dict[str, Any]] = []
        arrays: dict[str, NDArray[Any]] = {}
        for position, scorer in enumerate(self.scorers):
            own, parts = scorer.to_arrays()
            settings.append(own)
            arrays |= {f"cause{position}_{name}": array for name, array in parts.items()}
        return {"causes": list(self.causes), "hazards": settings}, arrays

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays are inconsistent.
        """
        causes, hazards = settings.get("causes"), settings.get("hazards")
        if (
            not isinstance(causes, list)
            or not isinstance(hazards, list)
            or not 1 <= len(causes) == len(hazards) <= _MAX_CAUSES
            or not all(isinstance(cause, str) and cause for cause in causes)
            or not all(isinstance(hazard, dict) for hazard in hazards)
        ):
            raise BundleError(f"the saved causes of churn must be 1 to {_MAX_CAUSES} names")
        scorers = []
        for position, hazard in enumerate(hazards):
            prefix = f"cause{position}_"
            parts = {
                name.removeprefix(prefix): array
                for name, array in arrays.items()
                if name.startswith(prefix)
            }
            scorers.append(HazardScorer.from_arrays(hazard, parts))
        try:
            return cls(causes, scorers)
        except ModelDataError as error:
            raise BundleError(f"the saved causes of churn are inconsistent: {error}") from error


def _combine(parts: Sequence[HazardBlock]) -> tuple[HazardBlock, NDArray[np.float64]]:
    """Return a block of the total cumulative hazard, and each cause's share of each period."""
    hazards = np.stack([-np.expm1(-part.hazard) for part in parts], axis=2)
    total = hazards.sum(axis=2)
    share = hazards / np.where(total > 0, total, 1.0)[:, :, None]
    cumulative = -np.log1p(-np.minimum(total, _MAX_HAZARD))
    return parts[0]._replace(hazard=cumulative), share
