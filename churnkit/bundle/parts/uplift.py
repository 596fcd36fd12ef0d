"""Measured treatment effects of actions in a bundle: ``uplift.json`` and ``uplift/*.npy``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, get_args

import numpy as np

from churnkit.decisions.measured_effects import MeasuredEffects, Outcome, SharedError
from churnkit.errors import BundleError
from churnkit.models.scorers.serialization import read_choice, read_number
from churnkit.models.uplift.blend.scorer import BlendScorer, scorer_from_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from churnkit.decisions import Catalogue
    from churnkit.models import UpliftModel, UpliftScorer

__all__ = ["ActionEffects", "effect_sources", "read_effects", "write_effects"]

# Level of the intervals that are shown.
_SHOWN = 0.95


@dataclass(frozen=True)
class ActionEffects:
    """Treatment effects of the actions that an experiment measured.

    Parameters
    ----------
    scorer
        Effects on the outcome.
    actions
        For each treatment of the scorer the action's name; None if the catalogue lacks it.
    outcome
        ``"staying"`` or ``"money"``.
    level
        Confidence with which an action must gain to go out: its gain is above zero at the lower
        bound of the interval of this level. 0 decides by the expected gain.
    """

    scorer: BlendScorer | UpliftScorer
    actions: tuple[str | None, ...]
    outcome: Outcome
    level: float

    @classmethod
    def of(
        cls,
        model: UpliftModel,
        actions: Sequence[str | None],
        outcome: Outcome,
        *,
        level: float = 0.0,
    ) -> Self:
        """Take the actions of a fitted uplift model, with their names in the catalogue."""
        return cls(model.scorer_, tuple(actions), outcome, level)

    def treatment_effects(
        self,
        catalogue: Catalogue,
        features: NDArray[np.float64],
        risk: NDArray[np.float64],
        preventable_share: NDArray[np.float64] | None = None,
    ) -> MeasuredEffects:
        """Estimate the effects for customers, within what each customer's risk allows.

        Parameters
        ----------
        catalogue
            With the actions.
        features
            (n, f) encoded.
        risk
            (n,) churn probability; NaN for a customer who was not scored.
        preventable_share
            (n, m) share of the risk that each action of the catalogue can prevent; None for all.
        """
        matrix = np.ascontiguousarray(features)
        columns = [at for at, name in enumerate(self.actions) if name is not None]
        places = tuple(catalogue.names.index(name) for name in self.actions if name is not None)
        shared = None
        parts: tuple[NDArray[np.float64], ...]
        if isinstance(self.scorer, BlendScorer):
            estimates = self.scorer.estimate(matrix, risk)
            parts = (*estimates.interval(_SHOWN), estimates.interval(self.level)[0])
            weights = self.scorer.weights
            shared = SharedError(
                estimates.basis[:, columns],
                tuple(tuple(weights.positions(at)) for at in columns),
                weights.covariance,
            )
        else:
            parts = (
                *self.scorer.interval(matrix, level=_SHOWN),
                self.scorer.interval(matrix, level=self.level)[0],
            )
        parts = tuple(part[:, columns] for part in parts)
        if self.outcome == "staying":
            # An action cannot prevent more churn than there is for the causes that it acts on, nor
            # drive more away than stay.
            least, most = (risk - 1.0)[:, None], risk[:, None]
            if preventable_share is not None:
                most = most * preventable_share[:, list(places)]
            parts = tuple(np.clip(part, least, most) for part in parts)
        low, expected, high, bound = parts
        return MeasuredEffects(places, self.outcome, low, expected, high, bound, shared)


def effect_sources(
    catalogue: Catalogue | None, effects: ActionEffects | None
) -> dict[str, tuple[str, ...]]:
    """Return the titles of the actions by the source of their effects.

    Parameters
    ----------
    catalogue
        The actions; None for a model without.
    effects
        Those that an experiment measured; None without an experiment.

    Returns
    -------
    dict
        ``measured`` and ``assumed``: titles in the order of the catalogue.
    """
    tried = set() if effects is None else set(effects.actions)
    actions = () if catalogue is None else catalogue.actions
    return {
        "measured": tuple(action.title for action in actions if action.name in tried),
        "assumed": tuple(action.title for action in actions if action.name not in tried),
    }


def write_effects(effects: ActionEffects) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the contents of ``uplift.json`` and the arrays."""
    settings, arrays = effects.scorer.to_arrays()
    document = {
        "settings": settings,
        "actions": list(effects.actions),
        "outcome": effects.outcome,
        "level": effects.level,
    }
    return document, arrays


def read_effects(
    files: Mapping[str, bytes],
    arrays: Mapping[str, NDArray[Any]],
    *,
    features: int,
    catalogue: Catalogue | None,
) -> ActionEffects | None:
    """Restore the effects from a bundle's files; None if it has none.

    Raises
    ------
    BundleError
        If they do not fit the contract or the catalogue.
    """
    if "uplift.json" not in files:
        return None
    document = json.loads(files["uplift.json"])
    scorer = scorer_from_arrays(document["settings"], arrays)
    actions, names = document["actions"], () if catalogue is None else catalogue.names
    measured = [name for name in actions if name is not None]
    if len(actions) != scorer.n_actions or scorer.n_features != features:
        raise BundleError("the uplift effects do not fit the contract: retrain")
    if not set(measured) <= set(names) or len(set(measured)) < len(measured):
        raise BundleError("the uplift effects name actions that the catalogue lacks: retrain")
    level = read_number(document, "level")
    if not 0.0 <= level < 1.0:
        raise BundleError("the level of the uplift interval must be in [0, 1): retrain")
    outcome: Outcome = read_choice(document, "outcome", among=get_args(Outcome))  # type: ignore[assignment]
    return ActionEffects(scorer, tuple(actions), outcome, level)
