"""Model selection, blending and calibration in one estimator without tuning by the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from churnkit.core.autologging import without_autologging
from churnkit.models.calibration.maps import Calibration
from churnkit.models.calibration.prior_correction import log_odds, prior_shift
from churnkit.models.classifiers.base import BinaryModel
from churnkit.models.classifiers.lightgbm import LightGBMTrees
from churnkit.models.classifiers.lightgbm_dask import check_engine
from churnkit.models.errors import ModelDataError
from churnkit.models.folds import fold_numbers, forward_folds, make_folds
from churnkit.models.frame_encoder import categorical_positions
from churnkit.models.scorers.ensemble import EnsembleScorer
from churnkit.models.selection.blend import choices_by_fold, evaluate_candidates
from churnkit.models.selection.candidates import candidate_table, is_promising, score_candidate
from churnkit.models.selection.cost_estimate import estimate_cost, measure_pace
from churnkit.models.selection.optuna_search import search
from churnkit.models.selection.presets import SELECTION_ROWS, profile_candidates
from churnkit.models.training_rows import categorical_columns, subsample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.models.dask_rows import DaskRows
    from churnkit.models.folds import Fold
    from churnkit.models.scorers.base import Scorer
    from churnkit.models.selection.candidates import CandidateTable, ScoredCandidate
    from churnkit.models.selection.cost_estimate import CostEstimate
    from churnkit.models.selection.optuna_search import Trial, Tuning
    from churnkit.models.training_rows import TrainingRows

__all__ = ["ChurnClassifier"]


class ChurnClassifier(BinaryModel):
    """Calibrated winner of a comparison of several models on held-out rows.

    Each candidate is scored on rows it was not fitted on, and calibrated by maps fitted without
    them; the lowest log loss wins. The candidates' weighted blend is a candidate too. The winner
    is refitted on all rows.

    Parameters
    ----------
    profile
        ``"fast"``, ``"balanced"`` or ``"accurate"``: the set of candidates, from quick to
        thorough.
    seed
        The same rows, settings and seed give the same model.
    categorical_features
        Columns that hold categories: names, positions, or a mask; in a matrix they hold codes.
        Text and categories of a frame are found without it, see `FrameEncoder`.
    candidates
        Pairs of a name and an unfitted `LogisticModel`, `LightGBMTrees`, or other estimator
        with a `scorer_`; those of the profile if not given.
    cv
        Number of stratified folds, a scikit-learn splitter, or pairs of row numbers.
    ensemble
        Allow the blend of the candidates to win.
    monotone_constraints
        For each column 1, -1 or 0; candidates that do not support constraints are left out.
    tuning
        A budget for a search of LightGBM's settings, whose best is one more candidate; no search
        if not given.
    population_rate
        The churn rate among all customers, if churners were over- or undersampled in the
        training rows. Probabilities are then those of the population. None for a random sample.
    selection_rows
        With more rows than this the candidates are compared on a sample of this size, and the
        winner is fitted on all; depends on the profile if not given.
    num_threads
        Number of threads of LightGBM.
    engine
        Where the winner's trees are fitted on all rows: ``"local"`` or ``"dask"``, as in
        `LightGBMTrees`. The comparison always runs in this process.

    Attributes
    ----------
    scorer_ : Scorer
        The winner's log-odds. A bundle stores it with `calibration_`.
    calibration_ : Calibration
        The map from its log-odds to probabilities.
    winner_ : str
        The winner's name.
    candidates_ : CandidateTable
        Results of all candidates, best first.
    members_ : dict of str to estimator
        The models of the winner, fitted on all rows.
    held_out_probability_ : (n,)
        The winner's probability for each training row from models and maps fitted without it;
        NaN where no fold held it out. Rows with zero weight are not included.
    trials_ : tuple of Trial
        Trials of the search.
    interrupted_ : bool
        True if the comparison was interrupted before all candidates were scored.
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
        categorical_features: Sequence[int] | Sequence[str] | None = None,
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

    @without_autologging()
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        times: ArrayLike | None = None,
        later_fits: float = 0.0,
        later_comparisons: int = 0,
        progress: Callable[[str], None] | None = None,
    ) -> Self:
        """Compare the candidates and fit the winner.

        An interrupt (Ctrl+C) ends the comparison, and the best candidate so far is fitted; before
        the first candidate is scored, KeyboardInterrupt is raised.

        Parameters
        ----------
        X : frame of n rows, or (n, f) matrix, missing as NaN
        y : (n,) labels of two classes; the larger one is churn
        sample_weight : (n,) weights of the rows
        groups : (n,) rows of one group stay on one side of every fold
        times : (n,) snapshot time of each row; each fold then trains on earlier rows and is
            scored on later ones, and `cv` (as a splitter) and `groups` are ignored
        later_fits
            Number of fits to all rows that will follow, which the expected time includes.
        later_comparisons
            Number of comparisons on as many rows that will follow, such as those of test folds.
        progress
            Called with a message: first the expected time and memory, which a pilot of one fold
            estimates, then before each step.

        Returns
        -------
        The fitted estimator.

        Raises
        ------
        ModelDataError
            The rows cannot be trained on, or there are too few churners for the folds; the
            message says why and what to do.
        """
        check_engine(self.engine)
        all_rows = self._training_rows(X, y, sample_weight)
        shift = self._prior_shift(all_rows)
        candidates = self._candidates(all_rows.matrix)
        rows, index = subsample(all_rows, self._selection_rows(), seed=self.seed)
        if times is None:
            folds = make_folds(self.cv, rows, groups=groups, seed=self.seed)
        else:
            parts = self.cv if isinstance(self.cv, int) else 5
            folds = forward_folds(rows, times, parts=parts)
        number = fold_numbers(folds, len(rows.matrix))
        cost = estimate_cost(
            candidates,
            rows=len(all_rows.matrix),
            columns=all_rows.matrix.shape[1],
            selection_rows=len(rows.matrix),
            folds=len(folds),
            later_fits=later_fits,
            later_comparisons=later_comparisons,
            # Without a reader of messages the pilot would be wasted.
            pace=1.0 if progress is None else measure_pace(candidates, rows, folds),
            **_column_counts(rows.matrix, categorical_columns(self, rows.matrix)),
        )
        progress = progress or _ignore
        progress(str(cost))
        scored = self._score_candidates(candidates, rows, folds, progress, cost)
        entries = evaluate_candidates(scored, rows, number, ensemble=self.ensemble)
        winner = min(entries, key=lambda entry: entry.log_loss)
        self.winner_: str = winner.name
        self.candidates_: CandidateTable = candidate_table(entries, winner)
        self._sample_calibration = winner.calibrated.calibration
        self._by_fold = choices_by_fold(winner, scored)
        self.calibration_: Calibration = self._sample_calibration.shifted(shift)
        held_out = winner.calibrated.probability
        if shift:
            held_out = Calibration.identity().shifted(shift).apply(log_odds(held_out))
        self.held_out_probability_: NDArray[np.float64] = np.full(len(all_rows.matrix), np.nan)
        self.held_out_probability_[index[number >= 0]] = held_out
        progress(f"fitting {winner.name} on all {len(all_rows.matrix):,} rows")
        chosen = np.flatnonzero(winner.weights)
        self._set_members(
            {
                scored[member].name: clone(scored[member].estimator).fit(
                    all_rows.matrix, all_rows.outcome, all_rows.weight
                )
                for member in chosen
            },
            winner.weights[chosen],
        )
        return self

    def refit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        fold: int | None = None,
    ) -> ChurnClassifier:
        """Fit the winner to other rows; see `BinaryModel.refit`.

        The copy has no `held_out_probability_`, since no row was held out.

        Raises
        ------
        ModelDataError
            `fit` had no such fold, or the rows cannot be trained on.
        """
        check_is_fitted(self)
        if fold is not None and fold not in self._by_fold:
            raise ModelDataError(
                f"fold {fold} was not held out: use one of {sorted(self._by_fold)}"
            )
        other = ChurnClassifier(**self.get_params(deep=False))
        self._copy_to(other)
        rows = other._training_rows(X, y, sample_weight)
        weights = self._weights
        if fold is None:
            members = {
                name: member.refit(rows.matrix, rows.outcome, rows.weight)
                for name, member in self.members_.items()
            }
        else:
            choice = self._by_fold[fold]
            weights, other._sample_calibration = choice.weights, choice.calibration
            members = {
                name: clone(estimator).fit(rows.matrix, rows.outcome, rows.weight)
                for name, estimator in choice.estimators.items()
            }
        other._set_members(members, weights)
        other.calibration_ = self._sample_calibration.shifted(other._prior_shift(rows))
        return other

    def refit_on_workers(self, rows: DaskRows) -> ChurnClassifier:
        """Fit the winner to rows that workers read; see `BinaryModel.refit_on_workers`."""
        check_is_fitted(self)
        other = ChurnClassifier(**self.get_params(deep=False))
        self._copy_to(other)
        other._set_members(
            {name: member.refit_on_workers(rows) for name, member in self.members_.items()},
            self._weights,
        )
        other.calibration_ = self._sample_calibration.shifted(other._prior_shift(rows.sample))
        return other

    def _copy_to(self, other: ChurnClassifier) -> None:
        """Copy everything but the scores of rows that were held out."""
        for name, value in vars(self).items():
            if name != "held_out_probability_":
                setattr(other, name, value)

    def _prior_shift(self, rows: TrainingRows) -> float:
        share = float(np.average(rows.outcome, weights=rows.weight))
        return prior_shift(self.population_rate, share)

    def _selection_rows(self) -> int:
        if self.selection_rows is not None:
            return self.selection_rows
        return SELECTION_ROWS.get(self.profile, max(SELECTION_ROWS.values()))

    def _score_candidates(
        self,
        candidates: list[tuple[str, BinaryModel]],
        rows: TrainingRows,
        folds: list[Fold],
        progress: Callable[[str], None],
        cost: CostEstimate,
    ) -> list[ScoredCandidate]:
        """Score the candidates on held-out rows until all are scored or the user interrupts."""
        number = fold_numbers(folds, len(rows.matrix))
        scored: list[ScoredCandidate] = []
        self.interrupted_: bool = False
        self.trials_: tuple[Trial, ...] = ()
        try:
            for name, estimator in self._with_tuned(candidates, rows, folds, progress):
                if not is_promising(estimator, scored, rows, folds):
                    progress(f"{name}: left out, behind the others on the first fold")
                    continue
                candidate = score_candidate(name, estimator, rows, folds, number)
                scored.append(candidate)
                loss = candidate.calibrated.log_losses[candidate.calibrated.calibration.method]
                left = cost.remaining([each.cpu_seconds for each in scored])
                progress(
                    f"{name}: log loss {loss:.4f}, {candidate.cpu_seconds:.0f} CPU-s; the others "
                    f"take about {left:.0f}"
                )
        except KeyboardInterrupt:
            if not scored:
                raise
            self.interrupted_ = True
            progress(f"interrupted: continuing with the best of {len(scored)} candidates")
        return scored

    def _with_tuned(
        self,
        candidates: list[tuple[str, BinaryModel]],
        rows: TrainingRows,
        folds: list[Fold],
        progress: Callable[[str], None],
    ) -> Iterator[tuple[str, BinaryModel]]:
        """Yield the candidates, then the tuned trees if a search was requested."""
        for position, (name, estimator) in enumerate(candidates, 1):
            progress(f"candidate {position} of {len(candidates)}: {name}, {len(folds)} folds")
            yield name, estimator
        if self.tuning is None:
            return
        base = clone(LightGBMTrees(seed=self.seed)).set_params(
            categorical_features=categorical_columns(self, rows.matrix) or None,
            monotone_constraints=self.monotone_constraints,
            num_threads=self.num_threads,
            engine=self.engine,
        )
        tuned = search(base, rows, folds, self.tuning, seed=self.seed, progress=progress)
        self.trials_ = tuned.trials
        yield "trees, tuned", tuned.estimator
        if tuned.interrupted:
            raise KeyboardInterrupt

    def _candidates(self, matrix: NDArray[np.float64]) -> list[tuple[str, BinaryModel]]:
        named = self.candidates
        if named is None:
            named = profile_candidates(self.profile, rows=len(matrix), seed=self.seed)
        categories = categorical_columns(self, matrix) or None
        labels = getattr(self, "feature_names_in_", None)
        candidates = []
        for name, estimator in named:
            settings = estimator.get_params()
            if self.monotone_constraints is not None and "monotone_constraints" not in settings:
                continue
            # Settings of the candidate take precedence over those of the classifier.
            inherited: dict[str, Any] = {}
            if settings.get("monotone_constraints", 0) is None:
                inherited["monotone_constraints"] = self.monotone_constraints
            if "categorical_features" in settings:
                own = settings["categorical_features"]
                inherited["categorical_features"] = (
                    categories
                    if own is None
                    else categorical_positions(own, matrix.shape[1], labels)
                )
            if self.candidates is None:
                inherited |= {
                    key: getattr(self, key) for key in ("num_threads", "engine") if key in settings
                }
            candidates.append((name, clone(estimator).set_params(**inherited)))
        if not candidates:
            raise ModelDataError(
                "no candidate is left: pass at least one that supports monotone_constraints"
            )
        return candidates

    def _set_members(self, members: dict[str, BinaryModel], weights: NDArray[np.float64]) -> None:
        """Set the fitted members and their weighted sum as the scorer."""
        self.members_: dict[str, BinaryModel] = members
        self._weights = weights
        scorers: list[Scorer] = [member.scorer_ for member in members.values()]
        self.scorer_: Scorer = scorers[0] if len(scorers) == 1 else EnsembleScorer(scorers, weights)


def _ignore(message: str) -> None:
    """Drop a message."""


def _column_counts(matrix: NDArray[np.float64], categories: tuple[int, ...]) -> dict[str, Any]:
    """Count the levels of each category, and the numeric columns with missing values."""
    columns = matrix.T
    levels = [len(np.unique(column[~np.isnan(column)])) for column in columns[list(categories)]]
    missing = [bool(np.isnan(column).any()) for column in columns]
    return {"levels": levels, "missing": sum(missing) - sum(missing[each] for each in categories)}
