"""Searching settings of boosted trees with Optuna, within a budget, and going on later."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from hashlib import blake2b
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import MissingExtraError
from churnkit.models.calibration.fit import row_log_losses
from churnkit.models.calibration.maps import Calibration
from churnkit.models.errors import ModelDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from churnkit.models.classifiers.base import TrainingRows
    from churnkit.models.classifiers.lightgbm import LightGBMTrees
    from churnkit.models.folds import Fold

__all__ = ["Trial", "Tuned", "Tuning", "tune"]


@dataclass(frozen=True)
class Tuning:
    """How long to search.

    Attributes
    ----------
    trials
        So many settings are tried, those of earlier runs included; the same number gives the
        same model each time.
    seconds
        Or until so much time has passed by the clock; what that gives depends on the machine.
    storage
        Where trials are kept, as a SQLAlchemy URL such as ``sqlite:///tuning.db``: an
        interrupted search on the same rows goes on there. In memory if not given.

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
            raise ModelDataError("a tuning needs a budget: set trials or seconds")
        budgets = [budget for budget in (self.trials, self.seconds) if budget is not None]
        if not min(budgets) > 0:
            raise ModelDataError("a tuning's trials and seconds must be above 0")


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes
    ----------
    number
        In the order of trying.
    log_loss
        On held-out rows, by the trees' own probabilities.
    settings
        What was tried.
    rounds
        How many trees early stopping found.
    """

    number: int
    log_loss: float
    settings: dict[str, Any]
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """Return the trial as plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Tuned:
    """What a search came to: the best settings, all trials, and whether it was interrupted."""

    estimator: LightGBMTrees
    trials: tuple[Trial, ...]
    interrupted: bool


def tune(
    base: LightGBMTrees,
    rows: TrainingRows,
    folds: Sequence[Fold],
    tuning: Tuning,
    *,
    seed: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Tuned:
    """Search the settings of boosted trees by held-out log loss.

    Parameters
    ----------
    base
        What is not searched: categories, constraints, threads, the seed.
    rows
        Checked training rows.
    folds
        Row numbers for training and for holding out.
    tuning
        The budget, and where trials are kept.
    seed
        For the sampler (tree-structured Parzen estimator).
    progress
        Called with a few words after each trial.

    Raises
    ------
    MissingExtraError
        Optuna is not installed (extra ``train``).
    """
    if find_spec("optuna") is None:
        raise MissingExtraError("train", "optuna")
    import optuna

    loud = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            storage=tuning.storage,
            study_name=_name(base, rows, folds) if tuning.storage else None,
            load_if_exists=True,
        )
        interrupted = _search(study, base, rows, folds, tuning, seed=seed, progress=progress)
    finally:
        optuna.logging.set_verbosity(loud)
    trials = tuple(
        Trial(each.number, float(each.value), dict(each.params), int(each.user_attrs["rounds"]))
        for each in _finished(study)
    )
    best = min(trials, key=lambda trial: (trial.log_loss, trial.number))
    return Tuned(_set(base, best.settings), trials, interrupted)


def _search(
    study: Any,
    base: LightGBMTrees,
    rows: TrainingRows,
    folds: Sequence[Fold],
    tuning: Tuning,
    *,
    seed: int,
    progress: Callable[[str], None],
) -> bool:
    """Run trials until the budget is spent; return whether somebody interrupted them."""
    import optuna

    # A budget of seconds is the one thing here that reads the clock, because it is asked to.
    started = time.monotonic()

    def objective(trial: Any) -> float:
        estimator = _set(base, _suggested(trial))
        raw, settled = estimator.cross_fit(rows, folds)
        held = ~np.isnan(raw)
        losses = row_log_losses(rows.outcome[held], Calibration.identity().apply(raw[held]))
        trial.set_user_attr("rounds", settled.rounds)
        return float(np.average(losses, weights=rows.weight[held]))

    while True:
        number = len(_finished(study))
        if tuning.trials is not None and number >= tuning.trials:
            return False
        if number and tuning.seconds is not None and time.monotonic() - started > tuning.seconds:
            return False
        # A sampler for each trial: a search that goes on draws what an unbroken one would.
        study.sampler = optuna.samplers.TPESampler(seed=seed + number)
        try:
            study.optimize(objective, n_trials=1)
        except KeyboardInterrupt:
            if not _finished(study):
                raise
            return True
        progress(f"trial {number + 1}: best log loss {study.best_value:.4f}")


def _finished(study: Any) -> list[Any]:
    return [each for each in study.trials if each.state.name == "COMPLETE"]


def _set(base: LightGBMTrees, settings: dict[str, Any]) -> LightGBMTrees:
    from sklearn.base import clone

    found: LightGBMTrees = clone(base).set_params(**settings)
    return found


def _suggested(trial: Any) -> dict[str, Any]:
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


def _name(base: LightGBMTrees, rows: TrainingRows, folds: Sequence[Fold]) -> str:
    """Name a study by all that its losses depend on: a search never mixes two tables."""
    total = blake2b(digest_size=12)
    for array in (rows.matrix, rows.outcome, rows.weight, *(fold.test for fold in folds)):
        total.update(np.ascontiguousarray(array).tobytes())
    total.update(repr(sorted(base.get_params().items())).encode())
    return f"churnkit {total.hexdigest()}"
