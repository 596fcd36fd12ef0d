"""Choice among policies by their value on customers that they were not learned from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from churnkit.evaluation import paired_value
from churnkit.models.uplift.blend.weights import BlendWeights, Design, fit_weights
from churnkit.models.uplift.policy_test import money, policy_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.evaluation import Interval
    from churnkit.models.uplift.nuisance import Nuisance
    from churnkit.models.uplift.validation import ExperimentRows

    Floats = NDArray[np.float64]

__all__ = ["POLICIES", "ChosenPolicy", "choose_policy"]

POLICIES = ("none", "constant", "relative", "blend")
"""``none``: no action. ``constant``: one effect for all. ``relative``: one share of each
customer's risk. ``blend``: each customer's own effect. With the last three a customer gets the
action of the highest gain, if it is above zero."""
# A simpler policy takes the place of the blend if it is better with this confidence.
_CONFIDENCE = 0.995
# Quantile of customers' worth to which larger ones are lowered when policies are compared.
_CAPPED_AT = 0.95
# Expected gain, as a share of what is at stake, below which no action is the policy.
_MATERIAL = 0.005


@dataclass(frozen=True, slots=True, eq=False)
class ChosenPolicy:
    """The policy that a plan applies.

    Attributes
    ----------
    name
        One of `POLICIES`.
    weights
        Its effects.
    held_out : (n, arms - 1) its effects on customers that neither trees nor weights saw
    values
        For each policy its value for each customer beyond no action.
    """

    name: str
    weights: BlendWeights
    held_out: Floats
    values: dict[str, Interval]


def choose_policy(
    design: Design, rows: ExperimentRows, nuisance: Nuisance, *, bounds: tuple[Floats, Floats]
) -> ChosenPolicy:
    """Choose among `POLICIES` by cross-fitted value.

    The weights of each policy are fitted on all folds but one and judged on that one, so that no
    policy gains by luck among its own rows. The blend stands unless a simpler one is better beyond
    noise; where hardly anything is to be gained, none.

    Parameters
    ----------
    design
        The regression that the weights are fitted to.
    rows, nuisance
        The experiment, and its cross-fitted scores.
    bounds : low and high (n,)
        Bounds of each customer's effects.
    """
    worth = money(rows, nuisance.scores)
    held_out = {name: _held_out(name, design, nuisance.fold, bounds) for name in POLICIES}
    actions = {name: policy_of(rows, effects) for name, effects in held_out.items()}
    values = {
        name: paired_value(worth, action, 0, groups=rows.group) for name, action in actions.items()
    }
    # Of heavy tails the mean of an experiment is the luck of its few largest customers.
    capped = np.minimum(rows.worth, np.quantile(rows.worth, _CAPPED_AT))
    even = money(replace(rows, worth=capped), nuisance.scores)
    chosen = "blend"
    for simpler in ("relative", "constant"):
        gain = paired_value(
            even, actions[simpler], actions[chosen], groups=rows.group, level=_CONFIDENCE
        )
        if gain.low > 0.0:
            chosen = simpler
    weights = _fit(chosen, design)
    if not _is_material(rows, held_out[chosen], actions[chosen], values[chosen]):
        chosen, weights = "none", _nothing(weights)
    return ChosenPolicy(chosen, weights, held_out[chosen], values)


def _is_material(
    rows: ExperimentRows, effects: Floats, action: NDArray[np.int64], value: Interval
) -> bool:
    """Tell whether a policy is expected to gain, and is not shown to lose."""
    stake = rows.worth if rows.risk is None else rows.worth * rows.risk
    gains = money(rows, np.column_stack([np.zeros(len(rows)), effects]))
    expected = float(gains[np.arange(len(rows)), action].mean())
    # The money of outcomes as they are, where there is no risk: the stake is of the outcome's size.
    if rows.risk is None:
        stake = stake * np.abs(rows.outcome - rows.outcome.max(initial=0.0))
    return expected > _MATERIAL * float(np.abs(stake).mean()) and value.high > 0.0


def _held_out(
    name: str, design: Design, fold: NDArray[np.int64], bounds: tuple[Floats, Floats]
) -> Floats:
    effects = np.zeros_like(design.surprise)
    if name == "none":
        return effects
    candidates = dict(zip(design.names, design.candidates, strict=True))
    for at in np.unique(fold):
        unseen = fold == at
        weights = _fit(name, design.without(unseen))
        basis = weights.basis(
            design.scale[unseen], {key: part[unseen] for key, part in candidates.items()}
        )
        effects[unseen] = weights.effects(basis)
    low, high = bounds
    return np.clip(effects, low[:, None], high[:, None])


def _fit(name: str, design: Design) -> BlendWeights:
    if name == "blend":
        return fit_weights(design)
    if name == "relative":
        return fit_weights(design, personalized=False, constants=False)
    # One effect for all is one relative effect where everybody has the mean risk.
    mean = float(np.average(design.scale, weights=design.weight))
    level = replace(design, scale=np.full_like(design.scale, mean))
    found = fit_weights(level, personalized=False, constants=False)
    actions = len(found.relative)
    covariance = np.zeros_like(found.covariance)
    covariance[actions : 2 * actions, actions : 2 * actions] = (
        found.covariance[:actions, :actions] * mean**2
    )
    return replace(
        found,
        relative=np.zeros(actions),
        constant=found.relative * mean,
        centering=np.zeros_like(found.centering),
        covariance=covariance,
    )


def _nothing(weights: BlendWeights) -> BlendWeights:
    """Return weights of no effect, with the error that a relative effect has."""
    actions = len(weights.relative)
    return replace(
        weights,
        relative=np.zeros(actions),
        constant=np.zeros(actions),
        weights=np.zeros_like(weights.weights),
    )
