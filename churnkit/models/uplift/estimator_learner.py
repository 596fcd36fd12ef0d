"""Effect estimators of econml and causalml as learners, distilled to trees.

The estimator is fitted on each half of the customers. Small trees are fitted to the effects that it
predicts, so that the model is calibrated, tested, saved without pickle and scored like the others.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.user_code_errors import format_exception
from churnkit.models.errors import ModelDataError
from churnkit.models.uplift.nuisance import boosted

if TYPE_CHECKING:
    import lightgbm
    from numpy.typing import NDArray

    from churnkit.models.uplift.nuisance import Settings
    from churnkit.models.uplift.validation import ExperimentRows

__all__ = ["distill_effects", "is_estimator_learner"]

# The effects have no noise to average out, so more trees follow them closer.
_ROUNDS = 3.0


def is_estimator_learner(learner: Any) -> bool:
    """Return whether an object fits effects: ``effect`` of econml, or ``predict`` of causalml."""
    fits = callable(getattr(learner, "fit", None)) and not isinstance(learner, type)
    return fits and any(callable(getattr(learner, name, None)) for name in ("effect", "predict"))


def distill_effects(
    learner: Any, rows: ExperimentRows, settings: Settings, half: NDArray[np.bool_]
) -> list[lightgbm.Booster]:
    """Fit trees to the effects of an estimator that is fitted on a half of the customers.

    Raises
    ------
    ModelDataError
        The estimator fails, its effects are not finite or not one column for each action, or it
        takes the numbers of several actions for doses of one.
    """
    estimator, actions = deepcopy(learner), rows.arms - 1
    name = type(estimator).__name__
    # The default of econml's DML estimators: action 2 would have twice the effect of action 1.
    if actions > 1 and not getattr(estimator, "discrete_treatment", True):
        raise ModelDataError(
            f"learner {name} would read {actions} actions as doses of one treatment: construct it "
            "with discrete_treatment=True"
        )
    try:
        if callable(getattr(estimator, "effect", None)):
            effects = _econml_effects(estimator, rows, half)
        else:
            effects = _causalml_effects(estimator, rows, half)
    except Exception as error:
        raise ModelDataError(
            f"learner {name} failed on {int(half.sum())} rows: {format_exception(error)}"
        ) from error
    if effects.shape != (len(rows), actions) or not np.isfinite(effects).all():
        raise ModelDataError(
            f"learner {name} must return one finite effect for each of {actions} actions, got "
            f"{effects.shape} for {len(rows)} rows"
        )
    rounds = round(settings.rounds * _ROUNDS)
    return [boosted(rows.matrix, effect, settings, rounds=rounds) for effect in effects.T]


def _econml_effects(
    estimator: Any, rows: ExperimentRows, half: NDArray[np.bool_]
) -> NDArray[np.float64]:
    estimator.fit(rows.outcome[half], rows.arm[half], X=rows.matrix[half])
    columns = [
        np.asarray(estimator.effect(rows.matrix, T0=0, T1=arm), dtype=np.float64).reshape(-1)
        for arm in range(1, rows.arms)
    ]
    return np.column_stack(columns)


def _causalml_effects(
    estimator: Any, rows: ExperimentRows, half: NDArray[np.bool_]
) -> NDArray[np.float64]:
    control = getattr(estimator, "control_name", 0)
    treatment = rows.arm[half]
    if isinstance(control, str):
        # Padded, as the groups are sorted by name.
        treatment = np.where(
            treatment == 0, control, np.char.add("action_", np.char.zfill(treatment.astype(str), 6))
        )
    estimator.fit(X=rows.matrix[half], treatment=treatment, y=rows.outcome[half])
    effects = np.asarray(estimator.predict(X=rows.matrix), dtype=np.float64)
    return effects.reshape(len(rows), -1)
