"""The contest of candidates: each is scored on rows that it did not see, and so is the blend."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from sklearn.base import clone

from churnkit.core.stats.newton_logistic import softplus
from churnkit.models.calibration.fit import CalibrationResult, calibrate
from churnkit.models.folds import Fold, average_held_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from churnkit.models.classifiers.base import BinaryModel, TrainingRows

__all__ = [
    "CandidateResult",
    "CandidateTable",
    "ScoredCandidate",
    "blend",
    "judged",
    "score_candidate",
]

_LEAST_WEIGHT = 0.02


@runtime_checkable
class _CrossFits(Protocol):
    """An estimator that settles something about itself while it is scored on held-out rows."""

    def cross_fit(
        self, rows: TrainingRows, folds: Sequence[Fold]
    ) -> tuple[NDArray[np.float64], BinaryModel]: ...


@dataclass(frozen=True)
class CandidateResult:
    """How one candidate did.

    Attributes
    ----------
    candidate
        Its name.
    log_loss
        On held-out rows, calibrated by maps that did not see them either.
    spread
        Standard error of the log loss over the rows.
    calibration
        Which map suits it.
    weight
        Its part in the winner's log-odds.
    cpu_seconds
        What scoring it on held-out rows took, of one processor.
    """

    candidate: str
    log_loss: float
    spread: float
    calibration: str
    weight: float
    cpu_seconds: float


@dataclass(frozen=True)
class CandidateTable:
    """How all candidates did, best first."""

    results: tuple[CandidateResult, ...]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return one plain record for each candidate."""
        return [asdict(result) for result in self.results]

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas frame, one row a candidate."""
        import pandas as pd

        return pd.DataFrame(self.to_dict())

    def _repr_html_(self) -> str:
        return str(self.to_frame().to_html(index=False, float_format="{:.4f}".format))


@dataclass(frozen=True)
class ScoredCandidate:
    """A candidate after its held-out scoring.

    Attributes
    ----------
    name
        The candidate's name.
    estimator
        Unfitted, with everything settled that held-out rows settle.
    raw : (n,) held-out log-odds
    calibrated
        The map that suits them.
    cpu_seconds
        What it took.
    """

    name: str
    estimator: BinaryModel
    raw: NDArray[np.float64]
    calibrated: CalibrationResult
    cpu_seconds: float


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
    number : (n,) which fold holds each row out, -1 for none

    Examples
    --------
    >>> from churnkit.models.classifiers.base import TrainingRows
    >>> from churnkit.models.folds import make_folds, fold_numbers
    >>> from churnkit.models.classifiers.logistic import LogisticModel
    >>> rows = TrainingRows.of(np.arange(40.0)[:, None], np.arange(40) % 4 > 1.0)
    >>> folds = make_folds(4, rows, groups=None, seed=0)
    >>> number = fold_numbers(folds, 40)
    >>> score_candidate("logistic", LogisticModel(C=1.0), rows, folds, number).raw.shape
    (40,)
    """
    # Processor time, as a measure for people; nothing that is saved depends on it.
    started = time.process_time()
    if isinstance(estimator, _CrossFits):
        raw, settled = estimator.cross_fit(rows, folds)
    else:
        parts = [
            clone(estimator)
            .fit(rows.matrix[fold.train], rows.outcome[fold.train], rows.weight[fold.train])
            .scorer_.raw_score(rows.matrix[fold.test])
            for fold in folds
        ]
        raw, settled = average_held_out(folds, parts, len(rows.matrix)), estimator
    calibrated = judged(raw, rows, number)
    return ScoredCandidate(name, settled, raw, calibrated, time.process_time() - started)


def judged(
    raw: NDArray[np.float64], rows: TrainingRows, number: NDArray[np.intp]
) -> CalibrationResult:
    """Calibrate held-out log-odds, rows that no fold holds out left aside."""
    held = number >= 0
    return calibrate(raw[held], rows.outcome[held], number[held], sample_weight=rows.weight[held])


def blend(
    contenders: Sequence[ScoredCandidate], rows: TrainingRows, number: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weigh the contenders' log-odds so that their sum has the lowest log loss.

    The weights are zero or more and sum to one, and the loss is convex in them, so there is
    one best set; a member of hardly any weight is left out, because it costs time to score.

    Parameters
    ----------
    contenders
        All candidates after their held-out scoring.
    rows
        Checked training rows.
    number : (n,) which fold holds each row out, -1 for none

    Returns
    -------
    weights : (m,) of the contenders, from all rows; they sum to one
    raw : (n,) the blend's log-odds, each row's from weights that were found without its fold
    """
    scores = np.stack([contender.raw for contender in contenders])
    held = number >= 0
    raw = np.full(len(number), np.nan)
    for at in np.unique(number[held]):
        inside, rest = number == at, held & (number != at)
        raw[inside] = _convex_weights(scores[:, rest], rows, rest) @ scores[:, inside]
    return _convex_weights(scores[:, held], rows, held), raw


def _convex_weights(
    scores: NDArray[np.float64], rows: TrainingRows, chosen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    from scipy.optimize import minimize

    outcome, weight = rows.outcome[chosen], rows.weight[chosen]
    share = weight / weight.sum()

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        raw = weights @ scores
        grown = softplus(raw)
        slope = share * (np.exp(raw - grown) - outcome)
        return float(share @ (grown - outcome * raw)), scores @ slope

    members = len(scores)
    found = minimize(
        loss,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * members,
        constraints={
            "type": "eq",
            "fun": lambda weights: weights.sum() - 1,
            "jac": lambda _: np.ones(members),
        },
        options={"ftol": 1e-10},
    )
    weights: NDArray[np.float64] = np.where(found.x < _LEAST_WEIGHT, 0.0, found.x)
    # Rounded, so that the last bits of a solver's path are not the model's.
    weights = np.round(weights / weights.sum(), 4)
    return np.asarray(weights / weights.sum(), dtype=np.float64)
