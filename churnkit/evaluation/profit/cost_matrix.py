"""Cost matrix per customer, thresholds that minimize expected cost, and savings.

Costs enter the decision once. A model trained on plain outcomes gives probabilities, which
`ThresholdRule` turns into decisions by each customer's costs. The scores of a model trained with
costs as weights already contain them; the same thresholds would count them twice. A rule is
therefore made from held-out outcomes only, and refuses scores that are not probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.evaluation.validation import (
    EvaluationError,
    check_outcome,
    check_probability,
    check_vector,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CustomerCosts", "ThresholdRule", "expected_savings", "savings"]

_MIN_CHURNERS = 20
_STAKES = 3
# Scores are refused when the 99.9% interval of observed over expected churn lies outside these.
_TOLERATED = (0.8, 1.25)
_NORMAL_999 = 3.290526731491926


@dataclass(frozen=True)
class CustomerCosts:
    """Cost of each of the four outcomes, for all customers or for each one, money.

    Parameters
    ----------
    false_positive : (n,) or number
        Treated, would have stayed.
    false_negative : (n,) or number
        Not treated, churned.
    true_positive : (n,) or number
        Treated, would have churned.
    true_negative : (n,) or number
        Not treated, stayed.

    Raises
    ------
    EvaluationError
        Lengths differ, a cost is missing or not finite, or for some customer it would pay to
        treat stayers and not churners.

    Examples
    --------
    >>> costs = CustomerCosts(false_positive=10.0, false_negative=[100.0, 400.0])
    >>> costs.at_stake
    array([110., 410.])
    """

    false_positive: ArrayLike
    false_negative: ArrayLike
    true_positive: ArrayLike = 0.0
    true_negative: ArrayLike = 0.0

    def __post_init__(self) -> None:
        columns = {name: _cost(getattr(self, name), name) for name in self.__dataclass_fields__}
        try:
            np.broadcast_shapes(*(column.shape for column in columns.values()))
        except ValueError:
            raise EvaluationError("the costs differ in length: pass one per row") from None
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        reversed_costs = int(np.count_nonzero((self.benefit < 0) & (self.waste < 0)))
        if reversed_costs:
            raise EvaluationError(
                f"for {reversed_costs} customers treating is cheaper than not treating among "
                "stayers and more expensive among churners: the columns may be swapped"
            )

    @classmethod
    def from_campaign(
        cls,
        *,
        clv: ArrayLike,
        incentive_cost: ArrayLike,
        contact_cost: ArrayLike,
        accept_rate: float,
    ) -> Self:
        """Return the costs of a retention campaign.

        Each contact has a cost; stayers take the incentive, and so does the `accept_rate` of
        churners, who then stay; the other churners leave.

        Parameters
        ----------
        clv, incentive_cost, contact_cost : (n,) or number, money
        accept_rate
            Share of contacted churners who accept and stay, 0 to 1.

        Examples
        --------
        >>> CustomerCosts.from_campaign(
        ...     clv=200.0, incentive_cost=10.0, contact_cost=1.0, accept_rate=0.3
        ... ).true_positive
        array(144.)
        """
        if not 0 <= accept_rate <= 1:
            raise EvaluationError(f"accept_rate must lie between 0 and 1, got {accept_rate}")
        value, incentive, contact = (
            _cost(amount, name)
            for amount, name in (
                (clv, "clv"),
                (incentive_cost, "incentive_cost"),
                (contact_cost, "contact_cost"),
            )
        )
        return cls(
            false_positive=incentive + contact,
            false_negative=value,
            true_positive=contact + accept_rate * incentive + (1 - accept_rate) * value,
        )

    @property
    def benefit(self) -> NDArray[np.float64]:
        """Saving from treating a churner: ``C_FN - C_TP``."""
        return _floats(self.false_negative) - _floats(self.true_positive)

    @property
    def waste(self) -> NDArray[np.float64]:
        """Cost of treating a stayer: ``C_FP - C_TN``."""
        return _floats(self.false_positive) - _floats(self.true_negative)

    @property
    def at_stake(self) -> NDArray[np.float64]:
        """Range of a customer's cost over the decisions: benefit plus waste."""
        return self.benefit + self.waste

    def take(self, rows: Any) -> CustomerCosts:
        """Return the costs of some customers; costs common to all stay numbers.

        Examples
        --------
        >>> CustomerCosts([1.0, 2.0], 9.0).take([1]).false_positive
        array([2.])
        """
        columns = (np.asarray(getattr(self, name)) for name in self.__dataclass_fields__)
        return CustomerCosts(*(column[rows] if column.ndim else column for column in columns))

    def total(self, outcome: NDArray[np.float64], treated: ArrayLike) -> float:
        """Return the cost of all customers; `treated` (n,) may be probabilities of treating."""
        treat = _floats(treated)
        skip = 1.0 - treat
        churned = treat * _floats(self.true_positive) + skip * _floats(self.false_negative)
        stayed = treat * _floats(self.false_positive) + skip * _floats(self.true_negative)
        return float((outcome * churned + (1 - outcome) * stayed).sum())

    def check_rows(self, rows: int) -> None:
        """Raise `EvaluationError` if the costs are for another number of customers."""
        shape = self.at_stake.shape
        if shape not in {(), (rows,)}:
            raise EvaluationError(f"{shape[0]} costs for {rows} rows: pass one per row")


@dataclass(frozen=True)
class ThresholdRule:
    """Bayes minimum risk: treat where the expected cost of treating is lower.

    `checked` makes a rule from held-out outcomes; it then decides about other customers.

    Parameters
    ----------
    observed_over_expected : (1,) or (4,)
        Observed over predicted churn: for all, then (where costs differ) for the thirds of
        customers with the least, middle and most at stake.
    customers, churners
        Number of held-out customers, and of churners among them.

    Notes
    -----
    The threshold of a customer is ``(C_FP - C_TN) / (C_FP - C_TN + C_FN - C_TP)``
    (Elkan 2001; Correa Bahnsen, Aouada, Ottersten 2014, doi:10.1137/1.9781611973440.78).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> probability = rng.uniform(0.0, 0.4, 2000)
    >>> churned = rng.random(2000) < probability
    >>> costs = CustomerCosts(false_positive=10.0, false_negative=rng.uniform(20, 200, 2000))
    >>> rule = ThresholdRule.checked(churned, probability, costs)
    >>> rule.decide([0.2, 0.2], CustomerCosts(10.0, [30.0, 90.0]))
    array([False,  True])
    """

    observed_over_expected: tuple[float, ...]
    customers: int
    churners: int

    @classmethod
    def checked(cls, y: ArrayLike, probability: ArrayLike, costs: CustomerCosts) -> Self:
        """Return the rule, after checking that the scores are probabilities.

        Observed churn must match predicted churn among all customers and among those with
        little, medium and much at stake. Scores of models trained with costs overpredict, most
        where most is at stake; so do scores of models trained on resampled classes.

        Parameters
        ----------
        y : (n,) outcomes of customers that the model did not see, 1 for churned
        probability : (n,) predicted probabilities of these customers
        costs
            Costs of these customers.

        Returns
        -------
        ThresholdRule

        Raises
        ------
        EvaluationError
            The scores are not probabilities, or there are too few churners to check.
        """
        outcome = check_outcome(y)
        predicted = check_probability(probability, rows=len(outcome))
        costs.check_rows(len(outcome))
        churners = int(outcome.sum())
        if churners < _MIN_CHURNERS:
            raise EvaluationError(
                f"{churners} churners are too few to check that the scores are probabilities: use "
                f"at least {_MIN_CHURNERS}"
            )
        ratios = []
        for name, inside in _groups(costs.at_stake, len(outcome)):
            expected = float(predicted[inside].sum())
            ratio = float(outcome[inside].sum()) / max(expected, 1e-12)
            spread = np.sqrt(float((predicted[inside] * (1 - predicted[inside])).sum()))
            reach = _NORMAL_999 * spread / max(expected, 1e-12)
            if ratio + reach < _TOLERATED[0] or ratio - reach > _TOLERATED[1]:
                raise EvaluationError(
                    f"observed churn is {ratio:.2f} times the predicted churn for {name}: these "
                    "scores are not probabilities. Cost thresholds need a model trained without "
                    "costs, weights or resampling, calibrated on later customers; a cost-trained "
                    "score already contains the costs and decides at 0.5"
                )
            ratios.append(ratio)
        return cls(tuple(ratios), len(outcome), churners)

    def thresholds(self, costs: CustomerCosts) -> NDArray[np.float64]:
        """Return the probability above which to treat, (n,) or a number.

        0 where treating always pays, infinite where it never does.

        Examples
        --------
        >>> rule = ThresholdRule((1.0,), customers=900, churners=90)
        >>> rule.thresholds(CustomerCosts(false_positive=10.0, false_negative=[30.0, 90.0]))
        array([0.25, 0.1 ])
        """
        benefit, waste = np.maximum(costs.benefit, 0.0), np.maximum(costs.waste, 0.0)
        total = waste + benefit
        share = waste / np.where(total > 0, total, 1.0)
        never = np.broadcast_to((benefit == 0) & (waste >= 0), share.shape)
        return np.where(never, np.inf, share)

    def decide(self, probability: ArrayLike, costs: CustomerCosts) -> NDArray[np.bool_]:
        """Return the decision for each customer, (n,) bool.

        Parameters
        ----------
        probability : (n,) from the model that was checked
        costs
            Costs of these customers.
        """
        predicted = check_probability(probability, rows=np.size(probability))
        costs.check_rows(len(predicted))
        return predicted > self.thresholds(costs)


def savings(y: ArrayLike, acted: ArrayLike, costs: CustomerCosts) -> float:
    """Share of cost that decisions save against the better of treating all and treating none.

    ``1 - cost(acted) / min(cost(none), cost(all))``: 0 is no better than that, 1 costs nothing.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    acted : (n,)
        Decisions, 0 or 1; scores are rejected: apply a rule first.
    costs
        Costs of these customers.

    Returns
    -------
    float
        Share of the cost saved; negative if a uniform decision is cheaper.

    Raises
    ------
    EvaluationError
        A decision is neither 0 nor 1, or treating all or none costs nothing.

    References
    ----------
    Correa Bahnsen, Stojanovic, Aouada, Ottersten (2014), SDM, doi:10.1137/1.9781611973440.78.

    Examples
    --------
    >>> costs = CustomerCosts(false_positive=[4, 1, 2, 2], false_negative=[1, 3, 3, 1])
    >>> savings([0, 1, 1, 0], [0, 1, 0, 0], costs)
    0.5
    """
    outcome = check_outcome(y)
    decision = check_vector(acted, "the decision", rows=len(outcome))
    if ((decision != 0) & (decision != 1)).any():
        raise EvaluationError(
            "decisions must be 0 or 1, got scores: use ThresholdRule.decide first, or "
            "expected_savings"
        )
    return _saved_share(outcome, decision, costs)


def expected_savings(y: ArrayLike, probability: ArrayLike, costs: CustomerCosts) -> float:
    """Mean savings of treating each customer with the predicted probability.

    It needs no threshold, so it compares scores of any kind.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities.
    costs
        Costs of these customers.

    Returns
    -------
    float
        Expected share of the cost saved, as in `savings`.

    Examples
    --------
    >>> costs = CustomerCosts(false_positive=[4, 1, 2, 2], false_negative=[1, 3, 3, 1])
    >>> round(expected_savings([0, 1, 1, 0], [0.4, 0.8, 0.75, 0.1], costs), 4)
    0.475
    """
    outcome = check_outcome(y)
    return _saved_share(outcome, check_probability(probability, rows=len(outcome)), costs)


def _saved_share(
    outcome: NDArray[np.float64], treated: NDArray[np.float64], costs: CustomerCosts
) -> float:
    costs.check_rows(len(outcome))
    baseline = min(costs.total(outcome, 0.0), costs.total(outcome, 1.0))
    if not baseline > 0:
        raise EvaluationError(
            "treating all or none already costs nothing: there is nothing to save"
        )
    return 1.0 - costs.total(outcome, treated) / baseline


def _groups(stake: NDArray[np.float64], rows: int) -> list[tuple[str, Any]]:
    groups: list[tuple[str, Any]] = [("all customers", slice(None))]
    if stake.ndim and len(np.unique(stake)) >= _STAKES:
        edges = np.quantile(stake, np.arange(1, _STAKES) / _STAKES)
        third = np.searchsorted(edges, stake)
        groups += [
            (f"the third of customers with the {size} at stake", third == number)
            for number, size in enumerate(("least", "middle", "most"))
            if (third == number).sum() > rows // 10
        ]
    return groups


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _cost(values: Any, name: str) -> NDArray[np.float64]:
    column = check_vector(np.atleast_1d(values), name, finite=True)
    return column.reshape(()) if np.ndim(values) == 0 else column
