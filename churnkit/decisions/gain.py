"""Expected gain of each action for each customer, with its interval.

    gain = churn_probability x effect x value x periods x margin - cost

For an action against some causes of churn only, the churn probability is that of leaving for one of
these causes (`churnkit.decisions.competing_risks`). The interval of the effect is the interval of the gain; the churn probability and the value are
taken as known. Effects measured by an experiment are effects on staying or on revenue and need no
churn probability:

    gain = effect on staying x value x periods x margin - cost
    gain = effect on revenue x margin - cost
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from churnkit.decisions.competing_risks import check_preventable
from churnkit.decisions.eligibility.exclusions import NOT_EXCLUDED, table_exclusions
from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.decisions.measured_effects import MeasuredEffects

__all__ = [
    "ActOn",
    "Gains",
    "at_stake",
    "catalogue_gain",
    "check_act_on",
    "expected_gain",
    "refuse_without_survival",
    "retained_value",
]

ActOn = Literal["low", "expected"]


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """Gains and costs of every action for every customer, in money.

    Parameters
    ----------
    expected : (n, m)
        Expected gain, net of cost.
    low : (n, m)
        Lower bound of the gain.
    high : (n, m)
        Upper bound of the gain.
    cost : (m,) or (n, m)
        Cost, NaN where it is not known.
    eligible : (n, m)
        True where the rules allow the action and its gain is known.
    stake : (n, m)
        Money per unit of effect; None without measured effects.
    bound : (n, m)
        Gain that must be above zero for an action to go out; `low` if None.
    effects
        Measured effects that the gains come from; None if all are the catalogue's.
    preventable_share : (n, m)
        Share of the churn risk that each action can prevent; None for all of it.
    """

    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    cost: NDArray[np.float64]
    eligible: NDArray[np.bool_]
    stake: NDArray[np.float64] | None = None
    bound: NDArray[np.float64] | None = None
    effects: MeasuredEffects | None = None
    preventable_share: NDArray[np.float64] | None = None

    def pays(self, decision_bound: ActOn = "low") -> NDArray[np.bool_]:
        """Return True where an eligible action's gain, or its lower bound, is above zero: (n, m)."""
        cautious = self.low if self.bound is None else self.bound
        bound = cautious if check_act_on(decision_bound) == "low" else self.expected
        return np.logical_and(self.eligible, bound > 0.0)

    def offered(self, decision_bound: ActOn = "low") -> NDArray[np.float64]:
        """Return the expected gain where the action pays, ``-inf`` elsewhere: (n, m)."""
        return np.where(self.pays(decision_bound), self.expected, -np.inf)


def check_act_on(decision_bound: str) -> ActOn:
    """Return the value if it is ``"low"`` or ``"expected"``; raise otherwise.

    Examples
    --------
    >>> check_act_on("low")
    'low'
    """
    for allowed in get_args(ActOn):
        if decision_bound == allowed:
            return allowed  # type: ignore[no-any-return]
    raise RecipeError(f"decision_bound: must be 'low' or 'expected', not {decision_bound!r}")


def at_stake(churn_probability: float, value: float, periods: float, margin: float) -> float:
    """Return the expected loss by one customer's churn, in money; NaN if unknown.

    The scalar form of `expected_gain`: the same operations in the same order, so that both give
    the same bits.

    Examples
    --------
    >>> at_stake(0.5, 20.0, 12.0, 1.0)
    120.0
    """
    return churn_probability * retained_value(value, periods, margin)


def retained_value(value: float, periods: float, margin: float) -> float:
    """Return the value of retaining one customer, in money; NaN if unknown.

    Examples
    --------
    >>> retained_value(20.0, 12.0, 0.5), retained_value(-3.0, 12.0, 0.5)
    (120.0, 0.0)
    """
    retained = value if value > 0.0 or value != value else 0.0  # noqa: PLR0124  (NaN stays)
    return retained * (periods * margin)


def expected_gain(
    churn_probability: ArrayLike,
    value: ArrayLike,
    catalogue: Catalogue,
    *,
    cost: NDArray[np.float64] | None = None,
    eligible: NDArray[np.bool_] | None = None,
    treatment_effects: MeasuredEffects | None = None,
    survival_weights: NDArray[np.float64] | None = None,
    preventable_share: NDArray[np.float64] | None = None,
) -> Gains:
    """Compute the gain of every action of a catalogue for every customer.

    Parameters
    ----------
    churn_probability
        (n,) churn probabilities without an action; NaN for unscored customers, who are not
        eligible for any action.
    value
        (n,) value per period, in money. With a missing or infinite value no action is eligible.
        Negative values count as zero.
    catalogue
        The actions, periods and margin.
    cost
        (m,) or (n, m) costs in money; None if all costs are numbers in the catalogue. An action
        with an unknown, infinite or negative cost is not eligible.
    eligible
        (n, m) True where the rules allow the action; None for all.
    treatment_effects
        Measured effects of the tried actions; they replace the catalogue's.
    survival_weights
        (n, m) expected periods of a retained customer per action; required if the catalogue
        counts by survival. Default: the catalogue's periods.
    preventable_share
        (n, m) share of the churn risk that each action can prevent, 0 to 1; required if an action
        prevents some causes of churn only. NaN only for unscored customers.

    Returns
    -------
    Gains
        Expected gain, bounds, cost and eligibility, (n, m).

    Raises
    ------
    DataError
        If a churn probability or a share is outside 0 to 1, or the shapes do not fit.
    RecipeError
        If an action's cost is a column and no `cost` is given, survival is to be counted and no
        `survival_weights` are given, or an action prevents some causes only and no
        `preventable_share` is given.

    Examples
    --------
    >>> from churnkit.decisions import Action, Catalogue, Effect
    >>> call = Action("call", "A call", cost=10.0, effect=Effect(0.1, 0.25, 0.5))
    >>> gains = expected_gain([0.5], [20.0], Catalogue((call,)))
    >>> gains.low, gains.expected, gains.high
    (array([[2.]]), array([[20.]]), array([[50.]]))

    """
    probability, money = _checked(churn_probability, value)
    shape = (probability.shape[0], len(catalogue.actions))
    cost = _costs(catalogue, cost, shape)
    allowed = np.ones(shape, dtype=np.bool_) if eligible is None else np.asarray(eligible)
    if allowed.shape != shape:
        raise DataError("eligible", [f"shape {allowed.shape}: must be {shape}"])
    # The operations and their order are those of at_stake().
    with np.errstate(over="ignore", invalid="ignore"):
        retained = np.where((money > 0.0) | np.isnan(money), money, 0.0)
        worth = retained[:, None] * _periods_times_margin(catalogue, survival_weights, shape)
        share = check_preventable(catalogue, preventable_share, probability)
        risk = probability[:, None] if share is None else probability[:, None] * share
        stake = risk * worth
        bounds = [
            stake * np.array([getattr(a.prior, bound) for a in catalogue.actions]) - cost
            for bound in ("low", "expected", "high")
        ]
    computable = np.isfinite(stake) & np.isfinite(cost)
    measured_stake, deciding = None, bounds[0]
    if treatment_effects is not None:
        deciding = deciding.copy()
        positions, measured = (
            list(treatment_effects.places),
            treatment_effects.gains(worth, cost, catalogue),
        )
        for table, columns in zip((*bounds, deciding), measured, strict=True):
            table[:, positions] = columns
        computable[:, positions] = np.isfinite(measured[1]) & ~np.isnan(probability)[:, None]
        measured_stake = np.array(np.broadcast_to(stake, shape))
        measured_stake[:, positions] = treatment_effects.stake(
            np.broadcast_to(worth, shape), catalogue
        )
    low, expected, high = bounds
    return Gains(
        expected,
        low,
        high,
        cost,
        allowed & computable,
        measured_stake,
        deciding,
        treatment_effects,
        share,
    )


def catalogue_gain(
    churn_probability: ArrayLike,
    matrix: NDArray[np.float64],
    catalogue: CompiledCatalogue,
    *,
    treatment_effects: MeasuredEffects | None = None,
    barred: NDArray[np.int8] | None = None,
    survival_weights: NDArray[np.float64] | None = None,
    preventable_share: NDArray[np.float64] | None = None,
) -> Gains:
    """Compute the gains for customers encoded for ``"recommend"``, with rules, costs and value.

    `barred` is the result of `table_exclusions`; the rules alone if None.
    """
    codes = table_exclusions(catalogue, matrix) if barred is None else barred
    return expected_gain(
        churn_probability,
        catalogue.value(matrix),
        catalogue.catalogue,
        cost=catalogue.cost(matrix),
        eligible=codes == NOT_EXCLUDED,
        treatment_effects=treatment_effects,
        survival_weights=survival_weights,
        preventable_share=preventable_share,
    )


def _periods_times_margin(
    catalogue: Catalogue, survival_weights: NDArray[np.float64] | None, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return periods times margin: (n, m), (1,), or (m,) if benefit periods differ."""
    refuse_without_survival(catalogue, given=survival_weights is not None)
    if survival_weights is not None:
        if survival_weights.shape != shape:
            raise DataError(
                "survival_weights", [f"shape {survival_weights.shape}: must be {shape}"]
            )
        return survival_weights * catalogue.margin
    factors = [factor * catalogue.margin for factor in catalogue.annuity_factors]
    return np.array(factors if len(set(factors)) > 1 else factors[:1])


def refuse_without_survival(catalogue: Catalogue, *, given: bool) -> None:
    """Raise if the catalogue counts by survival and no survival weights are given.

    Raises
    ------
    RecipeError
        With the remedy.
    """
    if catalogue.survival and not given:
        raise RecipeError(
            "the catalogue counts value by survival: decide through the model "
            "(recommend, churnkit plan), or pass survival_weights=model.survival_weights(features)"
        )


def _checked(
    churn_probability: ArrayLike, value: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    probability = np.asarray(churn_probability, dtype=np.float64)
    money = np.asarray(value, dtype=np.float64)
    if probability.ndim != 1 or money.shape != probability.shape:
        raise DataError(
            "churn_probability",
            [f"shape {probability.shape} against value {money.shape}: both must be (customers,)"],
        )
    bad = (probability < 0.0) | (probability > 1.0)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        rule = f"{int(bad.sum())} of {bad.size} are outside 0 to 1 (first: {first})"
        raise DataError("churn_probability", [f"{rule}; give probabilities, not scores"])
    return probability, money


def _costs(
    catalogue: Catalogue, cost: NDArray[np.float64] | None, shape: tuple[int, int]
) -> NDArray[np.float64]:
    if cost is None:
        columns = [a.name for a in catalogue.actions if a.expected_cost is None]
        if columns:
            raise RecipeError(
                f"action '{columns[0]}': its cost is a column; give the costs as an array"
            )
        return np.array([a.expected_cost for a in catalogue.actions], dtype=np.float64)
    cost = np.asarray(cost, dtype=np.float64)
    if cost.shape not in {shape, shape[1:]}:
        raise DataError("cost", [f"shape {cost.shape}: must be {shape} or {shape[1:]}"])
    return np.where(np.isfinite(cost) & (cost >= 0.0), cost, np.nan)
