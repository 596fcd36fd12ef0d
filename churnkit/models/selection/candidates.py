"""Held-out scores of the candidates and of their blend."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

import numpy as np
from sklearn.base import clone

from churnkit.models.calibration.fit import CalibrationResult, calibrate, row_log_losses
from churnkit.models.calibration.maps import Calibration
from churnkit.models.folds import average_held_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from churnkit.models.classifiers.base import BinaryModel
    from churnkit.models.folds import Fold
    from churnkit.models.training_rows import TrainingRows

__all__ = [
    "CandidateResult",
    "CandidateTable",
    "EvaluatedCandidate",
    "ScoredCandidate",
    "calibrate_held_out",
    "candidate_table",
    "is_promising",
    "score_candidate",
]

# A candidate whose first fold has a higher loss than this multiple of the best one's is left out.
_PILOT_LOSS = 1.02


@runtime_checkable
class _CrossFits(Protocol):
    """An estimator that chooses some of its settings while it is scored on held-out rows."""

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], BinaryModel]: ...


@runtime_checkable
class _HasPilot(Protocol):
    """An estimator that is seldom the best, and shows it on one fold at a small cost."""

    def pilot(self, rows: TrainingRows, fold: Fold) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class CandidateResult:
    """Held-out result of one candidate.

    Attributes
    ----------
    candidate
        Its name.
    log_loss
        On held-out rows, calibrated by maps fitted without them.
    spread
        Standard error of the log loss over the rows.
    calibration
        The chosen calibration method.
    weight
        Its weight in the winner's log-odds.
    cpu_seconds
        Processor time of scoring it on held-out rows.
    """

    candidate: str
    log_loss: float
    spread: float
    calibration: str
    weight: float
    cpu_seconds: float


@dataclass(frozen=True)
class CandidateTable:
    """Results of all candidates, best first."""

    results: tuple[CandidateResult, ...]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return one record per candidate."""
        return [asdict(result) for result in self.results]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame with one row per candidate."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


@dataclass(frozen=True)
class ScoredCandidate:
    """A candidate with its held-out scores.

    Attributes
    ----------
    name
        The candidate's name.
    estimator
        Unfitted, with the settings chosen on held-out rows.
    raw : (n,) held-out log-odds
    calibrated
        Their calibration.
    cpu_seconds
        Processor time.
    """

    name: str
    estimator: BinaryModel
    raw: NDArray[np.float64]
    calibrated: CalibrationResult
    cpu_seconds: float


def is_promising(
    estimator: BinaryModel,
    scored: Sequence[ScoredCandidate],
    rows: TrainingRows,
    folds: Sequence[Fold],
) -> bool:
    """Return False if the estimator's pilot is behind the scored candidates on the first fold.

    Parameters
    ----------
    estimator
        Unfitted; promising if it has no method ``pilot``.
    scored
        Candidates with their held-out scores.
    rows
        Checked training rows.
    folds
        Row numbers for training and for holding out.

    Returns
    -------
    bool
    """
    if not scored or not isinstance(estimator, _HasPilot):
        return True
    held_out = rows.take(folds[0].test)

    def loss(raw: NDArray[np.float64]) -> float:
        losses = row_log_losses(held_out.outcome, Calibration.identity().apply(raw))
        return float(np.average(losses, weights=held_out.weight))

    best = min(loss(candidate.raw[folds[0].test]) for candidate in scored)
    return loss(estimator.pilot(rows, folds[0])) <= _PILOT_LOSS * best


def score_candidate(
    name: str,
    estimator: BinaryModel,
    rows: TrainingRows,
    folds: Sequence[Fold],
    number: NDArray[np.intp],
) -> ScoredCandidate:
    """Score a candidate on held-out rows.

    Parameters
    ----------
    name
        The candidate's name.
    estimator
        Unfitted.
    rows
        Checked training rows.
    folds
        Row numbers for training and for holding out.
    number : (n,) number of the fold that holds each row out, -1 for none

    Returns
    -------
    ScoredCandidate

    Examples
    --------
    >>> from churnkit.models.training_rows import TrainingRows
    >>> from churnkit.models.folds import make_folds, fold_numbers
    >>> from churnkit.models.classifiers.logistic import LogisticModel
    >>> rows = TrainingRows.from_arrays(np.arange(40.0)[:, None], np.arange(40) % 4 > 1.0)
    >>> folds = make_folds(4, rows, groups=None, seed=0)
    >>> number = fold_numbers(folds, 40)
    >>> score_candidate("logistic", LogisticModel(C=1.0), rows, folds, number).raw.shape
    (40,)
    """
    started = time.process_time()  # reported to the user only
    if isinstance(estimator, _CrossFits):
        raw, tuned = estimator.cross_fit(rows, folds)
    else:
        parts = [
            clone(estimator)
            .fit(rows.matrix[fold.train], rows.outcome[fold.train], rows.weight[fold.train])
            .scorer_.raw_score(rows.matrix[fold.test])
            for fold in folds
        ]
        raw, tuned = average_held_out(folds, parts, len(rows.matrix)), estimator
    calibrated = calibrate_held_out(raw, rows, number)
    return ScoredCandidate(name, tuned, raw, calibrated, time.process_time() - started)


def calibrate_held_out(
    raw: NDArray[np.float64], rows: TrainingRows, number: NDArray[np.intp]
) -> CalibrationResult:
    """Calibrate the log-odds of the rows that some fold holds out."""
    held_out = number >= 0
    return calibrate(
        raw[held_out],
        rows.outcome[held_out],
        number[held_out],
        sample_weight=rows.weight[held_out],
    )


@dataclass(frozen=True)
class EvaluatedCandidate:
    """A candidate or the blend: weights on the candidates, and the held-out loss.

    `weights_by_fold` are the weights that were found without a fold's rows.
    """

    name: str
    weights: NDArray[np.float64]
    weights_by_fold: Mapping[int, NDArray[np.float64]]
    calibrated: CalibrationResult
    log_loss: float
    spread: float
    cpu_seconds: float

    @classmethod
    def evaluate(  # noqa: PLR0917 - one private caller
        cls,
        name: str,
        weights: NDArray[np.float64],
        weights_by_fold: Mapping[int, NDArray[np.float64]],
        calibrated: CalibrationResult,
        cpu_seconds: float,
        rows: TrainingRows,
        number: NDArray[np.intp],
    ) -> Self:
        """Measure the log loss of held-out probabilities."""
        held_out = number >= 0
        losses = row_log_losses(rows.outcome[held_out], calibrated.probability)
        share = rows.weight[held_out] / rows.weight[held_out].sum()
        mean = float(share @ losses)
        spread = float(np.sqrt(share**2 @ (losses - mean) ** 2))
        return cls(name, weights, weights_by_fold, calibrated, mean, spread, cpu_seconds)


def candidate_table(
    entries: Sequence[EvaluatedCandidate], winner: EvaluatedCandidate
) -> CandidateTable:
    """Return the results, best first, with the weights of the winner."""
    ordered = sorted(enumerate(entries), key=lambda pair: (pair[1].log_loss, pair[0]))
    return CandidateTable(
        tuple(
            CandidateResult(
                candidate=entry.name,
                log_loss=entry.log_loss,
                spread=entry.spread,
                calibration=entry.calibrated.calibration.method,
                weight=float(winner.weights[index]) if index < len(winner.weights) else 0.0,
                cpu_seconds=entry.cpu_seconds,
            )
            for index, entry in ordered
        )
    )
