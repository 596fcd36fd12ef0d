"""From an encoded matrix to calibrated probabilities, with nothing for the user to tune."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone

from churnkit.models.calibration.fit import row_log_losses
from churnkit.models.calibration.maps import Calibration
from churnkit.models.calibration.prior_correction import log_odds, prior_shift
from churnkit.models.classifiers.base import BinaryModel, TrainingRows
from churnkit.models.classifiers.lightgbm import LightGBMTrees
from churnkit.models.classifiers.lightgbm_dask import check_engine
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import Fold, fold_numbers, forward_folds, make_folds
from churnkit.models.scorers.ensemble import EnsembleScorer
from churnkit.models.selection.candidates import (
    CandidateResult,
    CandidateTable,
    ScoredCandidate,
    blend,
    judged,
    score_candidate,
)
from churnkit.models.selection.cost_estimate import estimate_cost
from churnkit.models.selection.optuna_search import tune
from churnkit.models.selection.presets import SELECTION_ROWS, profile_candidates
from churnkit.models.selection.subsample import sampled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.calibration.fit import CalibrationResult
    from churnkit.models.scorers.base import Scorer
    from churnkit.models.selection.optuna_search import Trial, Tuning

__all__ = ["ChurnClassifier"]

_BLEND = "blend"


class ChurnClassifier(BinaryModel):
    """The best of several models for this table, calibrated.

    Each candidate is scored on rows that it did not see; its log-odds are calibrated by maps
    that did not see the rows either; the lowest log loss wins. The candidates' weighted blend
    takes part in the contest. The winner is then fitted on all rows.

    Parameters
    ----------
    profile
        ``"fast"``, ``"balanced"`` or ``"accurate"``: how many candidates, how long.
    seed
        The same rows, settings and seed give the same model.
    categorical_features
        Indices of the columns that hold category codes.
    candidates
        Pairs of a name and an unfitted `LogisticModel`, `LightGBMTrees`, or other estimator
        with a `scorer_`; the profile's own if not given.
    cv
        How many stratified folds, a scikit-learn splitter, or pairs of row numbers.
    ensemble
        Whether the blend of the candidates may win.
    monotone_constraints
        For each column 1, -1 or 0; candidates that cannot honour them do not take part.
    tuning
        A budget for searching further settings of trees, which take part as one more
        candidate; none if not given.
    population_rate
        Which share of all customers churns, where the rows hold another share on purpose:
        churners drawn more often, or as many of each. Probabilities are then those of the
        population; None where the rows are like it.
    selection_rows
        With more rows than this the candidates are compared on a sample of so many, and the
        winner is fitted on all; the profile's own number if not given.
    num_threads
        How many threads LightGBM may use.
    engine
        Where the profile's own trees are fitted on all rows, once the contest is over:
        ``"local"`` or ``"dask"``, as in `LightGBMTrees`. The contest itself stays in this process.

    Attributes
    ----------
    scorer_ : Scorer
        The winner's log-odds; all that a bundle saves, beside `calibration_`.
    calibration_ : Calibration
        The map from its log-odds to probabilities.
    winner_ : str
        The winner's name.
    candidates_ : CandidateTable
        How all candidates did, best first.
    members_ : dict of str to estimator
        What the winner consists of, fitted on all rows.
    held_out_probability_ : (n,)
        The winner's probability for each training row from models and maps that did not see
        it; NaN where no fold held it out. Rows of weight zero are not among them.
    trials_ : tuple of Trial
        What the tuning tried.
    interrupted_ : bool
        Whether somebody interrupted the contest, so that not all candidates took part.
    classes_ : (2,)
    n_features_in_ : int

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 3))
    >>> churned = (X[:, 0] + rng.normal(size=300) > 1).astype(int)
    >>> model = ChurnClassifier(profile="fast", seed=0).fit(X, churned)
    >>> model.predict_proba(X).shape
    (300, 2)
    """

    def __init__(
        self,
        profile: str = "balanced",
        *,
        seed: int = 0,
        categorical_features: tuple[int, ...] | None = None,
        candidates: Sequence[tuple[str, BinaryModel]] | None = None,
        cv: Any = 5,
        ensemble: bool = True,
        monotone_constraints: tuple[int, ...] | None = None,
        tuning: Tuning | None = None,
        population_rate: float | None = None,
        selection_rows: int | None = None,
        num_threads: int = 1,
        engine: str = "local",
    ) -> None:
        self.profile = profile
        self.seed = seed
        self.categorical_features = categorical_features
        self.candidates = candidates
        self.cv = cv
        self.ensemble = ensemble
        self.monotone_constraints = monotone_constraints
        self.tuning = tuning
        self.population_rate = population_rate
        self.selection_rows = selection_rows
        self.num_threads = num_threads
        self.engine = engine

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        times: ArrayLike | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Hold the contest and fit the winner.

        An interrupt (Ctrl+C) ends the contest, and the best model so far is fitted and kept;
        before the first candidate is through there is none, and the interrupt goes on.

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        y : (n,) labels of two classes; the larger one is churn
        sample_weight : (n,) weights of the rows
        groups : (n,) rows of one group stay on one side of every fold
        times : (n,) when each row was known; then every fold learns from what is earlier, in
            place of `cv` and `groups`, and the calibration too is one of later rows
        progress
            Called with a few words: first with time and memory that the fit will take, then
            before each step.

        Raises
        ------
        ModelDataError
            The rows cannot be trained on, or there are too few churners for the folds; the
            message says why and what to do.
        """
        check_engine(self.engine)
        all_rows = self._training_rows(X, y, sample_weight)
        shift = prior_shift(
            self.population_rate, float(np.average(all_rows.outcome, weights=all_rows.weight))
        )
        entrants = self._entrants(len(all_rows.matrix))
        rows, at = sampled(all_rows, self._contest_rows(), seed=self.seed)
        if times is None:
            folds = make_folds(self.cv, rows, groups=groups, seed=self.seed)
        else:
            parts = self.cv if isinstance(self.cv, int) else 5
            folds = forward_folds(rows, times, parts=parts)
        number = fold_numbers(folds, len(rows.matrix))
        effort = estimate_cost(
            entrants,
            rows=len(all_rows.matrix),
            columns=all_rows.matrix.shape[1],
            selection_rows=len(rows.matrix),
            folds=len(folds),
        )
        progress(str(effort))
        contenders = self._contenders(entrants, rows, folds, progress)
        entries = self._entries(contenders, rows, number)
        winner = min(entries, key=lambda entry: entry.log_loss)
        self.winner_ = winner.name
        self.candidates_ = _table(entries, winner)
        self.calibration_ = winner.calibrated.calibration
        held_out = winner.calibrated.probability
        if shift:
            self.calibration_ = self.calibration_.shifted(shift)
            held_out = Calibration.identity().shifted(shift).apply(log_odds(held_out))
        self.held_out_probability_ = np.full(len(all_rows.matrix), np.nan)
        self.held_out_probability_[at[number >= 0]] = held_out
        progress(f"fitting {winner.name} on all {len(all_rows.matrix):,} rows")
        self._refit(contenders, winner.weights, all_rows)
        return self

    def _contest_rows(self) -> int:
        if self.selection_rows is not None:
            return self.selection_rows
        return SELECTION_ROWS.get(self.profile, max(SELECTION_ROWS.values()))

    def _contenders(
        self,
        entrants: list[tuple[str, BinaryModel]],
        rows: TrainingRows,
        folds: list[Fold],
        progress: Callable[[str], None],
    ) -> list[ScoredCandidate]:
        """Score all candidates on held-out rows, or as many as somebody waits for."""
        number = fold_numbers(folds, len(rows.matrix))
        contenders: list[ScoredCandidate] = []
        self.interrupted_ = False
        self.trials_: tuple[Trial, ...] = ()
        try:
            for name, estimator in self._in_turn(entrants, rows, folds, progress):
                contenders.append(score_candidate(name, estimator, rows, folds, number))
                found = contenders[-1]
                loss = found.calibrated.log_losses[found.calibrated.calibration.method]
                progress(f"{name}: log loss {loss:.4f}, {found.cpu_seconds:.0f} CPU-s")
        except KeyboardInterrupt:
            if not contenders:
                raise
            self.interrupted_ = True
            progress(f"interrupted: the best of {len(contenders)} candidates is kept")
        return contenders

    def _in_turn(
        self,
        entrants: list[tuple[str, BinaryModel]],
        rows: TrainingRows,
        folds: list[Fold],
        progress: Callable[[str], None],
    ) -> Iterator[tuple[str, BinaryModel]]:
        for at, (name, estimator) in enumerate(entrants, 1):
            progress(f"candidate {at} of {len(entrants)}: {name}, {len(folds)} folds")
            yield name, estimator
        if self.tuning is None:
            return
        base = clone(LightGBMTrees(seed=self.seed)).set_params(
            categorical_features=self.categorical_features,
            monotone_constraints=self.monotone_constraints,
            num_threads=self.num_threads,
            engine=self.engine,
        )
        tuned = tune(base, rows, folds, self.tuning, seed=self.seed, progress=progress)
        self.trials_ = tuned.trials
        yield "trees, tuned", tuned.estimator
        if tuned.interrupted:
            raise KeyboardInterrupt

    def _entrants(self, rows: int) -> list[tuple[str, BinaryModel]]:
        named = self.candidates
        if named is None:
            named = profile_candidates(self.profile, rows=rows, seed=self.seed)
        entrants = []
        for name, estimator in named:
            known = estimator.get_params()
            if self.monotone_constraints is not None and "monotone_constraints" not in known:
                continue
            # What a candidate says for itself stands; the rest is this classifier's.
            given = {
                key: getattr(self, key)
                for key in ("categorical_features", "monotone_constraints")
                if key in known and known[key] is None
            }
            if self.candidates is None:
                given |= {
                    key: getattr(self, key) for key in ("num_threads", "engine") if key in known
                }
            entrants.append((name, clone(estimator).set_params(**given)))
        if not entrants:
            raise ModelDataError(
                "no candidate is left: name at least one that honours the constraints"
            )
        return entrants

    def _entries(
        self, contenders: list[ScoredCandidate], rows: TrainingRows, number: NDArray[np.intp]
    ) -> list[_Entry]:
        alone = np.eye(len(contenders))
        entries = [
            _entry(
                each.name,
                weights=alone[at],
                calibrated=each.calibrated,
                cpu_seconds=each.cpu_seconds,
                rows=rows,
                number=number,
            )
            for at, each in enumerate(contenders)
        ]
        if self.ensemble and len(contenders) > 1:
            weights, raw = blend(contenders, rows, number)
            blended = _entry(
                _BLEND,
                weights=weights,
                calibrated=judged(raw, rows, number),
                cpu_seconds=sum(each.cpu_seconds for each in contenders),
                rows=rows,
                number=number,
            )
            entries.append(blended)
        return entries

    def _refit(
        self, contenders: list[ScoredCandidate], weights: NDArray[np.float64], rows: TrainingRows
    ) -> None:
        chosen = np.flatnonzero(weights)
        self.members_: dict[str, BinaryModel] = {
            contenders[at].name: clone(contenders[at].estimator).fit(
                rows.matrix, rows.outcome, rows.weight
            )
            for at in chosen
        }
        scorers: list[Scorer] = [member.scorer_ for member in self.members_.values()]
        self.scorer_ = scorers[0] if len(scorers) == 1 else EnsembleScorer(scorers, weights[chosen])


@dataclass(frozen=True)
class _Entry:
    """A contender, or the blend of them: weights on the contenders, and how it did."""

    name: str
    weights: NDArray[np.float64]
    calibrated: CalibrationResult
    log_loss: float
    spread: float
    cpu_seconds: float


def _entry(
    name: str,
    *,
    weights: NDArray[np.float64],
    calibrated: CalibrationResult,
    cpu_seconds: float,
    rows: TrainingRows,
    number: NDArray[np.intp],
) -> _Entry:
    held = number >= 0
    losses = row_log_losses(rows.outcome[held], calibrated.probability)
    share = rows.weight[held] / rows.weight[held].sum()
    mean = float(share @ losses)
    spread = float(np.sqrt(share**2 @ (losses - mean) ** 2))
    return _Entry(name, weights, calibrated, mean, spread, cpu_seconds)


def _table(entries: list[_Entry], winner: _Entry) -> CandidateTable:
    ordered = sorted(enumerate(entries), key=lambda pair: (pair[1].log_loss, pair[0]))
    return CandidateTable(
        tuple(
            CandidateResult(
                candidate=entry.name,
                log_loss=entry.log_loss,
                spread=entry.spread,
                calibration=entry.calibrated.calibration.method,
                weight=float(winner.weights[at]) if at < len(winner.weights) else 0.0,
                cpu_seconds=entry.cpu_seconds,
            )
            for at, entry in ordered
        )
    )
