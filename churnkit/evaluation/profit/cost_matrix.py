"""What acting and not acting costs for each customer, and who should be acted on.

Costs belong in the decision, once. A model trained on plain outcomes gives probabilities, and
`ThresholdRule` turns them into decisions by each customer's costs. A model trained with costs as
weights has them in its scores already; put through the same thresholds they would count twice.
So thresholds come from a rule alone, a rule from outcomes that its probabilities have met, and
scores that are no probabilities are refused there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churnkit.evaluation.classification.score_order import EvaluationError, checked_outcome

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["CustomerCosts", "ThresholdRule", "expected_savings", "savings"]

_FEWEST_CHURNERS = 20
_STAKES = 3
# Refused when the 99.9% interval of observed over expected churn lies outside these.
_TOLERATED = (0.8, 1.25)
_NORMAL_999 = 3.290526731491926


@dataclass(frozen=True)
class CustomerCosts:
    """What each of the four outcomes costs, for all customers alike or for each one.

    Parameters
    ----------
    false_positive : (n,) or number
        Acted on, would have stayed.
    false_negative : (n,) or number
        Not acted on, left.
    true_positive : (n,) or number
        Acted on, would have left.
    true_negative : (n,) or number
        Not acted on, stayed.

    Raises
    ------
    EvaluationError
        Lengths differ, a cost is missing or not finite, or for some customer it would pay to
        act on stayers and not on churners.

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
            raise EvaluationError("the costs differ in length: give one for each row") from None
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        upside_down = int(np.count_nonzero((self.benefit < 0) & (self.waste < 0)))
        if upside_down:
            raise EvaluationError(
                f"for {upside_down} customers acting is cheaper than not acting on stayers and "
                "dearer on churners: the columns may be swapped"
            )

    @classmethod
    def of_campaign(
        cls,
        *,
        clv: ArrayLike,
        incentive_cost: ArrayLike,
        contact_cost: ArrayLike,
        accept_rate: float,
    ) -> Self:
        """Return the costs of a retention campaign.

        Everyone contacted costs the contact; stayers take the incentive, and so does the
        `accept_rate` of churners, who then stay; churners who do not are lost.

        Parameters
        ----------
        clv, incentive_cost, contact_cost : (n,) or number, money
        accept_rate
            Share of contacted churners who accept and stay, 0 to 1.

        Examples
        --------
        >>> CustomerCosts.of_campaign(
        ...     clv=200.0, incentive_cost=10.0, contact_cost=1.0, accept_rate=0.3
        ... ).true_positive
        array(144.)
        """
        if not 0 <= accept_rate <= 1:
            raise EvaluationError("accept_rate lies outside 0 to 1")
        value, incentive, contact = (
            _cost(each, name)
            for each, name in (
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
        """What acting on a churner saves: ``C_FN - C_TP``."""
        return _floats(self.false_negative) - _floats(self.true_positive)

    @property
    def waste(self) -> NDArray[np.float64]:
        """What acting on a stayer costs: ``C_FP - C_TN``."""
        return _floats(self.false_positive) - _floats(self.true_negative)

    @property
    def at_stake(self) -> NDArray[np.float64]:
        """How much the decision can make for a customer: benefit and waste together."""
        return self.benefit + self.waste

    def take(self, rows: Any) -> CustomerCosts:
        """Return the costs of some customers; costs that are alike for all stay so.

        Examples
        --------
        >>> CustomerCosts([1.0, 2.0], 9.0).take([1]).false_positive
        array([2.])
        """
        columns = (np.asarray(getattr(self, name)) for name in self.__dataclass_fields__)
        return CustomerCosts(*(each[rows] if each.ndim else each for each in columns))

    def of(self, outcome: NDArray[np.float64], acted: ArrayLike) -> NDArray[np.float64]:
        """Return what each customer costs, (n,), where `acted` may be the chance of acting."""
        act = _floats(acted)
        leave = 1.0 - act
        left = act * _floats(self.true_positive) + leave * _floats(self.false_negative)
        stayed = act * _floats(self.false_positive) + leave * _floats(self.true_negative)
        cost: NDArray[np.float64] = outcome * left + (1 - outcome) * stayed
        return cost

    def check_rows(self, rows: int) -> None:
        """Refuse costs of another length than `rows`.

        Raises
        ------
        EvaluationError
            They are for another number of customers.
        """
        shape = self.at_stake.shape
        if shape not in {(), (rows,)}:
            raise EvaluationError(f"{shape[0]} costs for {rows} rows: give one for each row")


@dataclass(frozen=True)
class ThresholdRule:
    """Bayes minimum risk: act where the expected cost of acting is the lower one.

    A rule is made by `checked`, from held-out outcomes, and then decides about others.

    Attributes
    ----------
    observed_over_expected : (1,) or (4,)
        Churn that came over churn that was predicted: for all, then (where costs differ) for
        the thirds of customers with the least, middle and most at stake.
    customers, churners
        What the check rests on.

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
        """Return the rule, if the probabilities are as good as their word where it matters.

        Churn must come about as often as predicted, among all customers and among those with
        little, middling and much at stake: scores that costs have been trained into promise
        more churn than comes, and most so where most is at stake. So do scores of models
        trained on resampled classes.

        Parameters
        ----------
        y : (n,) outcomes of customers that the model did not see, 1 for churned
        probability : (n,) their predicted probabilities
        costs
            Theirs.

        Raises
        ------
        EvaluationError
            The scores are no probabilities, or there are too few churners to tell.
        """
        outcome = checked_outcome(y)
        predicted = _checked_probability(probability, len(outcome))
        costs.check_rows(len(outcome))
        churners = int(outcome.sum())
        if churners < _FEWEST_CHURNERS:
            raise EvaluationError(
                f"{churners} churners cannot show whether the scores are probabilities: check "
                f"with {_FEWEST_CHURNERS} or more"
            )
        ratios = []
        for who, inside in _groups(costs.at_stake, len(outcome)):
            expected = float(predicted[inside].sum())
            ratio = float(outcome[inside].sum()) / max(expected, 1e-12)
            spread = np.sqrt(float((predicted[inside] * (1 - predicted[inside])).sum()))
            reach = _NORMAL_999 * spread / max(expected, 1e-12)
            if ratio + reach < _TOLERATED[0] or ratio - reach > _TOLERATED[1]:
                raise EvaluationError(
                    f"{ratio:.2f} times as much churn came as was predicted for {who}: these "
                    "scores are no probabilities. Thresholds by cost need a model trained "
                    "without costs, weights or resampling, calibrated on later customers; a "
                    "cost-trained score has the costs in it already and decides at one half"
                )
            ratios.append(ratio)
        return cls(tuple(ratios), len(outcome), churners)

    def thresholds(self, costs: CustomerCosts) -> NDArray[np.float64]:
        """Return the probability above which to act, (n,) or a number.

        0 where acting always pays, infinite where it never does.

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
        """Return whether to act on each customer, (n,).

        Parameters
        ----------
        probability : (n,) from the model that was checked
        costs
            Of these customers.
        """
        predicted = _checked_probability(probability, np.size(probability))
        costs.check_rows(len(predicted))
        return predicted > self.thresholds(costs)


def savings(y: ArrayLike, acted: ArrayLike, costs: CustomerCosts) -> float:
    """Share of cost that decisions save against the better of acting on all or on nobody.

    ``1 - cost(acted) / min(cost(nobody), cost(all))``: 0 is as good as that, 1 costs nothing.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    acted : (n,) decisions, 0 or 1; scores are refused, as a rule must decide first
    costs
        Of these customers.

    Raises
    ------
    EvaluationError
        Something other than decisions is given, or doing the better of all and nothing is free.

    References
    ----------
    Correa Bahnsen, Stojanovic, Aouada, Ottersten (2014), SDM, doi:10.1137/1.9781611973440.78.

    Examples
    --------
    >>> costs = CustomerCosts(false_positive=[4, 1, 2, 2], false_negative=[1, 3, 3, 1])
    >>> savings([0, 1, 1, 0], [0, 1, 0, 0], costs)
    0.5
    """
    outcome = checked_outcome(y)
    decided = _column(acted, "the decision", len(outcome))
    if ((decided != 0) & (decided != 1)).any():
        raise EvaluationError(
            "decisions are 0 or 1, and scores were given: let a ThresholdRule decide, or use "
            "expected_savings"
        )
    return _saved(outcome, decided, costs)


def expected_savings(y: ArrayLike, probability: ArrayLike, costs: CustomerCosts) -> float:
    """Savings, on average, of acting on each customer with the predicted probability.

    It asks of scores alone how well they go with cost, without a threshold, so it serves to
    compare models of any kind.

    Parameters
    ----------
    y : (n,) outcomes, 1 for churned
    probability : (n,) predicted probabilities
    costs
        Of these customers.

    Examples
    --------
    >>> costs = CustomerCosts(false_positive=[4, 1, 2, 2], false_negative=[1, 3, 3, 1])
    >>> round(expected_savings([0, 1, 1, 0], [0.4, 0.8, 0.75, 0.1], costs), 4)
    0.475
    """
    outcome = checked_outcome(y)
    return _saved(outcome, _checked_probability(probability, len(outcome)), costs)


def _saved(outcome: NDArray[np.float64], acted: NDArray[np.float64], costs: CustomerCosts) -> float:
    costs.check_rows(len(outcome))
    plain = min(float(costs.of(outcome, 0.0).sum()), float(costs.of(outcome, 1.0).sum()))
    if not plain > 0:
        raise EvaluationError(
            "acting on all or on nobody costs nothing already, so no share of it can be saved"
        )
    return 1.0 - float(costs.of(outcome, acted).sum()) / plain


def _groups(stake: NDArray[np.float64], rows: int) -> list[tuple[str, Any]]:
    groups: list[tuple[str, Any]] = [("all customers", slice(None))]
    if stake.ndim and len(np.unique(stake)) >= _STAKES:
        edges = np.quantile(stake, np.arange(1, _STAKES) / _STAKES)
        third = np.searchsorted(edges, stake)
        groups += [
            (f"the third of customers with the {size} at stake", third == place)
            for place, size in enumerate(("least", "middle", "most"))
            if (third == place).sum() > rows // 10
        ]
    return groups


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _cost(values: Any, name: str) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError(f"{name} holds values that are no numbers") from None
    if column.ndim > 1:
        raise EvaluationError(f"{name} has {column.ndim} dimensions: pass a column or a number")
    wrong = int(np.count_nonzero(~np.isfinite(column)))
    if wrong:
        raise EvaluationError(f"{name} is missing or not finite in {wrong} rows: fill it")
    return column


def _column(values: Any, name: str, rows: int) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise EvaluationError(f"{name} holds values that are no numbers") from None
    if column.shape != (rows,):
        raise EvaluationError(f"{name} has the shape {column.shape}: give one for each row")
    return column


def _checked_probability(probability: Any, rows: int) -> NDArray[np.float64]:
    predicted = _column(probability, "the probability", rows)
    wrong = int(np.count_nonzero(~((predicted >= 0) & (predicted <= 1))))
    if wrong:
        raise EvaluationError(
            f"{wrong} probabilities lie outside 0 to 1 or are missing: pass the probability of "
            "churn, not a raw score"
        )
    return predicted
