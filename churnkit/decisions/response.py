"""Expected response of each customer to the actions: from the churn risk and the effect.

The groups are those of uplift modeling (persuadables, lost causes, sure things, do-not-disturbs);
see Siegel, Predictive Analytics (2013), chapter 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.translation import mark_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.decisions.gain import Gains

__all__ = [
    "HIGH_RISK",
    "LEAST_EFFECT",
    "LOW_RISK",
    "RESPONSES",
    "CustomerResponses",
    "classify_responses",
    "find_responses",
]

RESPONSES = {
    mark_text("may be retained"): mark_text("an action pays"),
    mark_text("may react badly"): mark_text("even the upper bound of the effect is below zero"),
    mark_text("stays anyway"): mark_text("churn risk below 5%, and no action pays"),
    mark_text("would leave anyway"): mark_text(
        "churn risk of 50% or more, of which no action prevents more than a twentieth, and no "
        "action pays"
    ),
    mark_text("effect below cost"): mark_text(
        "an action has an effect, but the effect does not pay the cost"
    ),
}
"""Responses and their definitions. The first that applies holds."""
LOW_RISK, HIGH_RISK = 0.05, 0.5
# Share of the churn risk that an action must prevent to have an effect.
LEAST_EFFECT = 0.05
_NAMES = tuple(RESPONSES)
_RETAINED, _BADLY, _STAYS, _LEAVES, _COSTLY = range(len(_NAMES))


@dataclass(frozen=True, slots=True, eq=False)
class CustomerResponses:
    """Effect of one action on each customer, and the customer's expected response.

    Parameters
    ----------
    option : (n,)
        Position of the action that the effect is of: the customer's action, or without one the
        eligible action that saves most; -1 if no action is eligible.
    effect, low, high : (n,)
        Decrease of the churn probability by that action, with its 95% interval; the increase in
        revenue where an experiment measured revenue. NaN without an action.
    code : (n,)
        Position in `RESPONSES`; -1 if no action is eligible or the customer was not scored.
    """

    option: NDArray[np.int64]
    effect: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    code: NDArray[np.int8]

    @property
    def name(self) -> list[str | None]:
        """The response of each customer in words; None if unknown."""
        return [_NAMES[code] if code >= 0 else None for code in self.code.tolist()]

    def select(self, mask: NDArray[np.bool_]) -> CustomerResponses:
        """Return the responses of some customers."""
        return CustomerResponses(
            self.option[mask], self.effect[mask], self.low[mask], self.high[mask], self.code[mask]
        )

    def to_columns(self) -> dict[str, Any]:
        """Return the columns of a table: effect and response."""
        return {"effect": self.effect, "response": self.name}


def classify_responses(
    churn_probability: ArrayLike, effect: ArrayLike, high: ArrayLike, pays: ArrayLike
) -> NDArray[np.int8]:
    """Return the expected response of each customer, by the definitions of `RESPONSES`.

    Parameters
    ----------
    churn_probability
        (n,) churn probability without an action.
    effect, high
        (n,) decrease of the churn probability by the best eligible action, and the upper bound of
        its 95% interval; NaN if no action is eligible.
    pays
        (n,) True where the gain of an eligible action is above zero.

    Returns
    -------
    (n,) positions in `RESPONSES`; -1 where the probability or the effect is NaN.

    Examples
    --------
    >>> codes = classify_responses(
    ...     [0.3, 0.3, 0.02, 0.8, 0.3], [0.1, -0.1, 0.0, 0.01, 0.01], [0.2, -0.02, 0.1, 0.1, 0.1],
    ...     [True, False, False, False, False],
    ... )
    >>> [list(RESPONSES)[code] for code in codes][:3]
    ['may be retained', 'may react badly', 'stays anyway']
    >>> [list(RESPONSES)[code] for code in codes][3:]
    ['would leave anyway', 'effect below cost']
    """
    risk, best, most = (np.asarray(a, dtype=np.float64) for a in (churn_probability, effect, high))
    codes: NDArray[np.int8] = np.select(
        [
            np.isnan(risk) | np.isnan(best),
            np.asarray(pays, dtype=np.bool_),
            most < 0.0,
            risk < LOW_RISK,
            (risk >= HIGH_RISK) & (best <= LEAST_EFFECT * risk),
        ],
        [-1, _RETAINED, _BADLY, _STAYS, _LEAVES],
        _COSTLY,
    ).astype(np.int8)
    return codes


def find_responses(
    churn_probability: NDArray[np.float64],
    gains: Gains,
    catalogue: Catalogue,
    action: NDArray[np.int64],
) -> CustomerResponses:
    """Compute effects and responses from the gains of all actions.

    Parameters
    ----------
    churn_probability
        (n,) churn probabilities; NaN for customers who were not scored.
    gains
        Of every action for every customer.
    catalogue
        The actions.
    action
        (n,) position of each customer's action, -1 for none.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        saved = np.where(gains.eligible, gains.expected + gains.cost, -np.inf)
    best = saved.argmax(axis=1)
    del saved  # as large as the gains
    best[~gains.eligible.any(axis=1)] = -1
    best[np.isnan(churn_probability)] = -1
    option = np.where(action >= 0, action, best)
    bounds = _effects(churn_probability, gains, catalogue, option)
    low, effect, high = (np.where(option >= 0, part, np.nan) for part in bounds)
    code = classify_responses(churn_probability, effect, high, gains.pays().any(axis=1))
    return CustomerResponses(option, effect, low, high, code)


def _effects(
    churn_probability: NDArray[np.float64],
    gains: Gains,
    catalogue: Catalogue,
    option: NDArray[np.int64],
) -> tuple[NDArray[np.float64], ...]:
    """Return the low, expected and high effect of each customer's option, (n,) each."""
    prior = np.array([[a.prior.low, a.prior.expected, a.prior.high] for a in catalogue.actions])
    risk = churn_probability
    if gains.preventable_share is not None:
        risk = risk * gains.preventable_share[np.arange(len(option)), option]
    bounds = risk[:, None] * prior[option]
    effects = gains.effects
    if effects is not None:
        for column, place in enumerate(effects.places):
            rows = np.flatnonzero(option == place)
            parts = (effects.low, effects.expected, effects.high)
            bounds[rows] = np.column_stack([part[rows, column] for part in parts])
    return tuple(bounds.T)
