"""Optional parts of a recipe: past treatments and observed lifetimes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["Experiment", "Lifetime"]


@dataclass(frozen=True)
class Experiment:
    """Past treatments from which an uplift model is fitted.

    Parameters
    ----------
    outcome
        Column of the outcome. Rows where it is null are left out.
    kind
        ``"churned"``: true for customers who churned; ``"stayed"``: true for customers who
        stayed or responded; ``"money"``: an amount.
    data
        File, or function that returns a table: the schema's columns as known when the action was
        chosen, and the columns of this experiment. Default: the recipe's table.
    table
        With a timeline, the raw table of decisions. Features are built as of each decision.
    decided_at
        Column of `table` with the time of the decision.
    treatment, propensity
        Columns of the action and of the probability with which it was chosen.
        ``propensity=None`` estimates it from the features; a number applies to every arm.
    control
        Value of the treatment column for untreated customers.
    actions
        Action of the catalogue for each value of the treatment column. A value that is not
        listed means the action of the same name, if there is one.
    learner
        As in `churnkit.models.UpliftModel`.
    level
        Level of the lower bound of the gain, which must be positive for an action to be given;
        0 decides by the expected gain.

    Raises
    ------
    RecipeError
        If a setting is out of range.
    """

    outcome: str
    kind: Literal["churned", "stayed", "money"] = "churned"
    data: Callable[[], Any] | str | Path | None = None
    table: str | None = None
    decided_at: str = "decided_at"
    treatment: str = "action"
    propensity: str | float | None = "propensity"
    control: Any = "none"
    actions: Mapping[Any, str] = field(default_factory=dict)
    learner: str = "auto"
    level: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in {"churned", "stayed", "money"}:
            raise RecipeError("experiment: kind must be 'churned', 'stayed' or 'money'")
        if not 0.0 <= self.level < 1.0:
            raise RecipeError("experiment: level must be from 0 to below 1")


@dataclass(frozen=True)
class Lifetime:
    """Columns that hold how long customers stayed, for a hazard model.

    `RetentionModel.survival` and `RetentionModel.lifetime` then answer for any horizon.

    Parameters
    ----------
    duration
        Column of the time from the row's date to churn, or to the last observation. It must not
        be a feature, as it depends on the future.
    event
        Column that is true where the customer churned at `duration`.
    model
        Unfitted `HazardModel`; its seed and categories are set from the recipe.
    horizons
        Times at which the model card reports calibration. Default: the horizon of `lifetime`.
    cause
        Text column with the cause of the churn at `duration`; each cause then has a hazard of its
        own, and `RetentionModel.incidence` answers for any horizon. Churn without a cause counts
        as ``"unknown"``. It must not be a feature.
    """

    duration: str
    event: str
    model: Any = None
    horizons: tuple[float, ...] = ()
    cause: str | None = None
