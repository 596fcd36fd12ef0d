"""The actions that an experiment tried, as a bundle keeps them: files under ``uplift/``."""

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

__all__ = ["TriedActions", "read_tried", "write_tried"]


@dataclass(frozen=True)
class TriedActions:
    """Measured effects of the catalogue's actions that were tried.

    Parameters
    ----------
    scorer
        Effects on the outcome.
    actions
        For each of the scorer's actions the name in the catalogue; None for one that it lacks.
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
        """Give the effects for customers with these encoded features (n, f)."""
        bounds = self.scorer.interval(np.ascontiguousarray(features), level=self.level)
        columns = [at for at, name in enumerate(self.actions) if name is not None]
        places = tuple(catalogue.names.index(name) for name in self.actions if name is not None)
        low, expected, high = (part[:, columns] for part in bounds)
        return MeasuredEffects(places, self.outcome, low, expected, high)


def write_tried(tried: TriedActions) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Give what ``uplift.json`` says, and the arrays beside it."""
    settings, arrays = tried.scorer.to_arrays()
    described = {
        "settings": settings,
        "actions": list(tried.actions),
        "outcome": tried.outcome,
        "level": tried.level,
    }
    return described, arrays


def read_tried(
    files: Mapping[str, bytes],
    arrays: Mapping[str, NDArray[Any]],
    *,
    features: int,
    catalogue: Catalogue | None,
) -> TriedActions | None:
    """Rebuild the tried actions from a bundle's files; None if it has none.

    Raises
    ------
    BundleError
        If they do not fit the contract or the catalogue.
    """
    if "uplift.json" not in files:
        return None
    described = json.loads(files["uplift.json"])
    scorer = UpliftScorer.from_arrays(described["settings"], arrays)
    actions, names = described["actions"], () if catalogue is None else catalogue.names
    known = [name for name in actions if name is not None]
    if len(actions) != scorer.n_actions or scorer.n_features != features:
        raise BundleError("the bundle's uplift does not fit its contract: train again")
    if not set(known) <= set(names) or len(set(known)) < len(known):
        raise BundleError("the bundle's uplift names actions that its catalogue lacks: train again")
    level = read_number(described, "level")
    if not 0.0 <= level < 1.0:
        raise BundleError("the level of the bundle's uplift is no share: train again")
    outcome: Outcome = read_choice(described, "outcome", among=get_args(Outcome))  # type: ignore[assignment]
    return TriedActions(scorer, tuple(actions), outcome, level)
