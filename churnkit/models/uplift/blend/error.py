"""Error of a blend's trees by the jackknife over folds, and the gain of averaging them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from churnkit.models.uplift.blend.candidates import raw_score_of
from churnkit.models.uplift.blend.effects import candidate_effects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.models.uplift.blend.candidates import Candidates
    from churnkit.models.uplift.blend.effects import Offset
    from churnkit.models.uplift.blend.weights import BlendWeights, Design
    from churnkit.models.uplift.validation import ExperimentRows

    Floats = NDArray[np.float64]

__all__ = ["FoldEffects", "fold_effects"]

_MOST_ROWS = 2_000
# Averaging removes at most this share of the variance of one fold's forecasts.
_MOST_AVERAGED = 0.2
# The jackknife overstates the variance of unstable learners, trees among them (Efron and Stein 1981).
_JACKKNIFE_SHARE = 0.5
# Trees err by smoothing as well as by chance: on simulated businesses the squared error of their
# effects was about four times the variance by the jackknife.
_VARIANCE_AND_BIAS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class FoldEffects:
    """Departures from the simple effects by each fold's trees, on a sample of the rows.

    Attributes
    ----------
    rows : (m,) positions of the sample
    departures : (folds, m, actions) by the trees of each fold
    """

    rows: NDArray[np.int64]
    departures: Floats

    @property
    def variance(self) -> Floats:
        """The variance of the average, with smoothing error, (m, actions): by the jackknife."""
        folds = len(self.departures)
        off = self.departures - self.departures.mean(axis=0)
        jackknife: Floats = (folds - 1) / folds * (off**2).sum(axis=0)
        return _VARIANCE_AND_BIAS * jackknife

    def corrected(
        self, weights: BlendWeights, design: Design, stake: Floats, cost: Floats
    ) -> BlendWeights:
        """Return weights for the average of the folds' trees.

        Weights were fitted to forecasts by one fold's trees. Their average has less noise, so it
        deserves more weight; and its error in the total of a plan is shared by all customers.

        Parameters
        ----------
        weights, design
            As fitted.
        stake : (n,) money per unit of effect
        cost : (n, actions)
        """
        folds, average = len(self.departures), self.departures.mean(axis=0)
        within = float(self.departures.var(axis=0, ddof=1).mean())
        single = float((average**2).mean()) + within * (1.0 - 1.0 / folds)
        averaged = min(within * (1.0 - 1.0 / folds) / max(single, 1e-24), _MOST_AVERAGED)
        # The policy's customers, by the average.
        basis = weights.basis(design.scale[self.rows], {})
        effects = weights.effects(basis) + average
        money = stake[self.rows, None]
        gain = effects * money - cost[self.rows]
        chosen = (gain == gain.max(axis=1, keepdims=True)) & (gain > 0.0)
        # Each fold at the same size, which the weights have calibrated already.
        size = np.sqrt((self.departures**2).mean(axis=(1, 2), keepdims=True))
        alike = self.departures * (size.mean() / np.maximum(size, 1e-12))
        totals = (alike * money * chosen).sum(axis=(1, 2))
        jackknife = (folds - 1) / folds * ((totals - totals.mean()) ** 2).sum()
        spread = np.sqrt(_JACKKNIFE_SHARE * jackknife)
        share = min(float(spread / max(abs(float(totals.mean())), 1e-12)), 1.0)
        actions = len(weights.relative)
        covariance = weights.covariance.copy()
        covariance[2 * actions :, 2 * actions :] += share**2 * np.outer(
            weights.weights, weights.weights
        )
        return replace(weights, weights=weights.weights / (1.0 - averaged), covariance=covariance)


def fold_effects(
    rows: ExperimentRows,
    candidates: Candidates,
    weights: BlendWeights,
    *,
    design: Design,
    offset: Offset,
    baseline: Floats,
) -> FoldEffects:
    """Forecast departures from the simple effects by the trees of each fold."""
    sample = np.linspace(0, len(rows) - 1, min(len(rows), _MOST_ROWS)).astype(np.int64)
    matrix = np.column_stack([rows.matrix, baseline])[sample]
    actions = len(weights.relative)
    simple = replace(weights, relative=np.zeros(actions), constant=np.zeros(actions))
    folds = len(next(iter(candidates.boosters.values()))[0])
    departures = []
    for fold in range(folds):
        effects = {
            name: candidate_effects(
                name,
                [raw_score_of(group[fold]) for group in candidates.boosters[name]],
                matrix,
                baseline=baseline[sample],
                offset=offset,
                link=rows.link,
            )
            for name in weights.active
        }
        departures.append(simple.effects(simple.basis(design.scale[sample], effects)))
    return FoldEffects(sample, np.array(departures))
