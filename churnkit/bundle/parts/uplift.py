"""Measured treatment effects of actions in a bundle: ``uplift.json`` and ``uplift/*.npy``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from churnkit.decisions.measured_effects import MeasuredEffects, Outcome
from churnkit.errors import BundleError
from churnkit.models.scorers.serialization import read_choice, read_number
from churnkit.models.uplift.scorer import UpliftScorer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from churnkit.decisions import Catalogue

__all__ = ["ActionEffects", "read_effects", "write_effects"]


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
        Of the interval whose lower bound must be above zero.
    """

    scorer: UpliftScorer
    actions: tuple[str | None, ...]
    outcome: Outcome
    level: float

    def treatment_effects(
        self, catalogue: Catalogue, features: NDArray[np.float64]
    ) -> MeasuredEffects:
        """Return the effects for encoded features (n, f)."""
        bounds = self.scorer.interval(np.ascontiguousarray(features), level=self.level)
        columns = [column for column, name in enumerate(self.actions) if name is not None]
        places = tuple(catalogue.names.index(name) for name in self.actions if name is not None)
        low, expected, high = (bound[:, columns] for bound in bounds)
        return MeasuredEffects(places, self.outcome, low, expected, high)


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
    scorer = UpliftScorer.from_arrays(document["settings"], arrays)
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
