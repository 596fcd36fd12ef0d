"""Resumable search of LightGBM's settings with Optuna, within a budget."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from churnkit.errors import MissingExtraError
from churnkit.models.calibration.fit import row_log_losses
from churnkit.models.calibration.maps import Calibration
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from churnkit.models.classifiers.lightgbm import LightGBMTrees
    from churnkit.models.folds import Fold
    from churnkit.models.training_rows import TrainingRows

__all__ = ["SearchResult", "Trial", "Tuning", "search"]


@dataclass(frozen=True)
class Tuning:
    """Budget and storage of a hyperparameter search.

    Parameters
    ----------
    trials
        Number of settings to try, including those of earlier runs; the same number gives the
        same model each time.
    seconds
        Stop after this much wall time; the result then depends on the machine.
    storage
        SQLAlchemy URL of the trials, such as ``sqlite:///tuning.db``: an interrupted search on
        the same rows resumes from it. In memory if not given.

    Examples
    --------
    >>> from churnkit.models import ChurnClassifier
    >>> ChurnClassifier(tuning=Tuning(trials=50)).tuning.trials
    50
    """

    trials: int | None = None
    seconds: float | None = None
    storage: str | None = None

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None:
            raise ModelDataError("Tuning needs a budget: set trials or seconds")
        budgets = [budget for budget in (self.trials, self.seconds) if budget is not None]
        if not min(budgets) > 0:
            raise ModelDataError("trials and seconds must be above 0")


@dataclass(frozen=True)
class Trial:
    """One trial of the search.

    Attributes
    ----------
    number
        Counted from 0.
    log_loss
        On held-out rows, before calibration.
    settings
        Settings of the trial.
    rounds
        Number of trees chosen by early stopping.
    """

    number: int
    log_loss: float
    settings: dict[str, Any]
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as a dict."""
        return asdict(self)


@dataclass(frozen=True)
class SearchResult:
    """Estimator with the best settings, all trials, and a flag for an interrupted search."""

    estimator: LightGBMTrees
    trials: tuple[Trial, ...]
    interrupted: bool


def search(
    base: LightGBMTrees,
    rows: TrainingRows,
    folds: Sequence[Fold],
    tuning: Tuning,
    *,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> SearchResult:
    """Search LightGBM's settings by held-out log loss.

    Parameters
    ----------
    base
        Settings that are not searched: categories, constraints, threads, the seed.
    rows
        Checked training rows.
    folds
        Row numbers for training and for holding out.
    tuning
        Budget and storage.
    seed
        For the sampler (tree-structured Parzen estimator).
    progress
        Called with a message after each trial.

    Returns
    -------
    SearchResult

    Raises
    ------
    MissingExtraError
        Optuna is not installed (extra ``train``).
    """
    if find_spec("optuna") is None:
        raise MissingExtraError("train", "optuna")
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=tuning.storage,
            study_name=_study_name(base, rows, folds) if tuning.storage else None,
            load_if_exists=True,
        )
        interrupted = _run_trials(study, base, rows, folds, tuning, seed=seed, progress=progress)
    finally:
        optuna.logging.set_verbosity(verbosity)
    trials = tuple(
        Trial(trial.number, float(trial.value), dict(trial.params), trial.user_attrs["rounds"])
        for trial in _completed(study)
    )
    best = min(trials, key=lambda trial: (trial.log_loss, trial.number))
    return SearchResult(clone(base).set_params(**best.settings), trials, interrupted)


def _run_trials(
    study: Any,
    base: LightGBMTrees,
    rows: TrainingRows,
    folds: Sequence[Fold],
    tuning: Tuning,
    *,
    seed: int,
    progress: Callable[[str], None],
) -> bool:
    """Run trials until the budget is spent; return True if interrupted."""
    import optuna

    started = time.monotonic()

    def objective(trial: Any) -> float:
        estimator = clone(base).set_params(**_suggest_settings(trial))
        raw, tuned = estimator.cross_fit(rows, folds)
        held_out = ~np.isnan(raw)
        probability = Calibration.identity().apply(raw[held_out])
        losses = row_log_losses(rows.outcome[held_out], probability)
        trial.set_user_attr("rounds", tuned.rounds)
        return float(np.average(losses, weights=rows.weight[held_out]))

    while True:
        number = len(_completed(study))
        if tuning.trials is not None and number >= tuning.trials:
            return False
        if number and tuning.seconds is not None and time.monotonic() - started > tuning.seconds:
            return False
        # A new sampler per trial: a resumed search draws the same settings as an unbroken one.
        study.sampler = optuna.samplers.TPESampler(seed=seed + number)
        try:
            study.optimize(objective, n_trials=1)
        except KeyboardInterrupt:
            if not _completed(study):
                raise
            return True
        progress(f"trial {number + 1}: best log loss {study.best_value:.4f}")


def _completed(study: Any) -> list[Any]:
    return [trial for trial in study.trials if trial.state.name == "COMPLETE"]


def _suggest_settings(trial: Any) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 3, 96, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 2, 100, log=True),
        "l2": trial.suggest_float("l2", 0.1, 100.0, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.2, 1.0),
        "row_fraction": trial.suggest_float("row_fraction", 0.5, 1.0),
        "extra_trees": trial.suggest_categorical("extra_trees", [False, True]),
        "target_encoding_threshold": trial.suggest_categorical(
            "target_encoding_threshold", [4, 16, 64]
        ),
    }


def _study_name(base: LightGBMTrees, rows: TrainingRows, folds: Sequence[Fold]) -> str:
    """Hash the table, the folds and the base settings, so that a study holds one problem."""
    digest = blake2b(digest_size=12)
    for array in (rows.matrix, rows.outcome, rows.weight, *(fold.test for fold in folds)):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr(sorted(base.get_params().items())).encode())
    return f"churnkit {digest.hexdigest()}"
