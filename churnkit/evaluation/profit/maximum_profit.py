"""Maximum profit of a retention campaign that contacts the top of a ranking.

Customers are contacted from the highest probability down, and customers of equal probability
together. Only the order counts, so scores of any kind can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from churnkit.core.result import PlottableResult
from churnkit.evaluation.classification.score_order import RankedOutcomes, ScoreGroups
from churnkit.evaluation.validation import (
    EvaluationError,
    check_outcome,
    check_probability,
    refuse,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from churnkit.evaluation.profit.cost_matrix import CustomerCosts

__all__ = [
    "MaximumProfit",
    "ProfitCurve",
    "expected_max_profit",
    "expected_max_profit_b2b",
    "max_profit",
    "profit_curve",
]


class MaximumProfit(float):
    """Profit per customer at the best cut, a float with the cut as an attribute.

    Parameters
    ----------
    profit
        Profit per customer, money.
    fraction
        Share of all customers to contact; for an expected profit the expected share.

    Examples
    --------
    >>> MaximumProfit(12.5, fraction=0.2)
    MaximumProfit(12.5, fraction=0.2)
    """

    __slots__ = ("fraction",)

    fraction: float

    def __new__(cls, profit: float, *, fraction: float) -> Self:
        """Return the profit with its fraction."""
        instance = super().__new__(cls, profit)
        instance.fraction = float(fraction)
        return instance

    def __repr__(self) -> str:
        return f"MaximumProfit({float(self)!r}, fraction={self.fraction!r})"

    def __getnewargs_ex__(self) -> tuple[tuple[float], dict[str, float]]:
        return (float(self),), {"fraction": self.fraction}

    def to_dict(self) -> dict[str, float]:
        """Return both numbers by name."""
        return {"profit": float(self), "fraction": self.fraction}


@dataclass(frozen=True, slots=True)
class ProfitCurve(PlottableResult):
    """Profit of contacting the top of the ranking, relative to contacting no one.

    Parameters
    ----------
    share_of_customers : (k,)
        Share of all customers, ascending from 0 to 1.
    profit : (k,)
        Profit per customer of the whole table, in money.
    """

    _display: ClassVar[str] = "ProfitDisplay"

    share_of_customers: NDArray[np.float64]
    profit: NDArray[np.float64]

    @property
    def best(self) -> MaximumProfit:
        """The highest point; of equals the one that contacts fewest."""
        at = int(np.argmax(self.profit))
        return MaximumProfit(float(self.profit[at]), fraction=float(self.share_of_customers[at]))


def profit_curve(y: ArrayLike, probability: ArrayLike, costs: CustomerCosts) -> ProfitCurve:
    """Return the profit of contacting each top share of the ranking, with costs per customer.

    A contacted churner brings ``C_FN - C_TP``, a contacted stayer costs ``C_FP - C_TN``.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    costs
        Costs of these customers.

    Returns
    -------
    ProfitCurve
        Profit by share of customers, from 0 to 1.

    Raises
    ------
    EvaluationError
        Outcomes, probabilities or costs are invalid.

    Examples
    --------
    >>> from churnkit.evaluation.profit.cost_matrix import CustomerCosts
    >>> curve = profit_curve([1, 0, 1, 0], [0.9, 0.6, 0.5, 0.1], CustomerCosts(2.0, 10.0))
    >>> curve.profit, curve.best.fraction
    (array([0. , 2.5, 2. , 4.5, 4. ]), 0.75)
    """
    outcome = check_outcome(y)
    costs.check_rows(len(outcome))
    gain = np.where(outcome == 1, costs.benefit, -costs.waste)
    return _curve(outcome, probability, gain)


def max_profit(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    clv: float = 200.0,
    incentive_cost: float = 10.0,
    contact_cost: float = 1.0,
    accept_rate: float = 0.3,
) -> MaximumProfit:
    """Maximum profit for churn (MPC): one acceptance rate, one value for all customers.

    ``max over cuts of (accept_rate * (clv - incentive) - contact) * churners contacted
    - (incentive + contact) * stayers contacted``, per customer.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    clv
        Value of a customer who stays, money.
    incentive_cost, contact_cost
        Cost of an accepted offer, and of a contact, money.
    accept_rate
        Share of contacted churners who accept and stay.

    Returns
    -------
    MaximumProfit
        Profit per customer, with the share of customers to contact.

    Raises
    ------
    EvaluationError
        Outcomes or probabilities are invalid, or an amount is out of range.

    References
    ----------
    Verbeke, Dejaeger, Martens, Hur, Baesens (2012), EJOR 218, doi:10.1016/j.ejor.2011.09.031.

    Examples
    --------
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> max_profit(y, p)
    MaximumProfit(23.875, fraction=0.875)
    """
    _check_campaign(clv=clv, incentive_cost=incentive_cost, contact_cost=contact_cost)
    if not 0 <= accept_rate <= 1:
        raise EvaluationError(f"accept_rate must lie between 0 and 1, got {accept_rate}")
    outcome = check_outcome(y)
    benefit = accept_rate * (clv - incentive_cost) - contact_cost
    gain = np.where(outcome == 1, benefit, -(incentive_cost + contact_cost))
    return _curve(outcome, probability, gain).best


def expected_max_profit(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    clv: float = 200.0,
    incentive_cost: float = 10.0,
    contact_cost: float = 1.0,
    alpha: float = 6.0,
    beta: float = 14.0,
) -> MaximumProfit:
    """Expected maximum profit for churn (EMPC), with a Beta-distributed acceptance rate.

    For each acceptance rate the best cut is a corner of the convex hull of the ROC curve, so
    the integral of the maximum profit over the rate is a sum over corners, in closed form.

    Parameters
    ----------
    y, probability, clv, incentive_cost, contact_cost
        As `max_profit`.
    alpha, beta
        Parameters of the acceptance rate's Beta distribution, of mean ``alpha / (alpha + beta)``.

    Returns
    -------
    MaximumProfit
        The expected profit per customer; its `fraction` is the expected best fraction.

    References
    ----------
    Verbraken, Verbeke, Baesens (2013), IEEE TKDE 25, doi:10.1109/TKDE.2012.50.

    Examples
    --------
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> found = expected_max_profit(y, p)
    >>> round(found, 4), round(found.fraction, 4)
    (23.8756, 0.8744)
    """
    from scipy.special import betainc

    _check_campaign(clv=clv, incentive_cost=incentive_cost, contact_cost=contact_cost)
    _check_beta(alpha, beta)
    if clv <= incentive_cost:
        raise EvaluationError(
            f"incentive_cost {incentive_cost:g} must be below clv {clv:g}: no offer can pay otherwise"
        )
    churners, stayers = _hull(RankedOutcomes(y, probability).group())
    waste = incentive_cost + contact_cost
    # At this acceptance rate a corner and the next one have equal profit.
    equal = waste * np.diff(stayers) / np.diff(churners) + contact_cost
    rate = np.clip(equal / (clv - incentive_cost), 0.0, 1.0)
    edges = np.concatenate([[0.0], rate, [1.0]])
    mass = np.diff(betainc(alpha, beta, edges))
    mean = alpha / (alpha + beta) * np.diff(betainc(alpha + 1.0, beta, edges))
    kept = churners * ((clv - incentive_cost) * mean - contact_cost * mass)
    profit = (kept - stayers * waste * mass).sum()
    return MaximumProfit(float(profit), fraction=float((churners + stayers) @ mass))


def expected_max_profit_b2b(
    y: ArrayLike,
    probability: ArrayLike,
    *,
    clv: ArrayLike,
    incentive_fraction: float = 0.05,
    contact_cost: float = 15.0,
    alpha: float = 6.0,
    beta: float = 14.0,
) -> MaximumProfit:
    """Expected maximum profit for business customers (EMPB), with a value per customer.

    The incentive is a share of the customer's value. A contacted churner brings
    ``E[accept] * (1 - incentive_fraction) * clv - contact_cost``; a contacted stayer costs
    ``incentive_fraction * clv + contact_cost``.

    Parameters
    ----------
    y : (n,)
        Outcomes, 1 for churned.
    probability : (n,)
        Predicted probabilities of churn.
    clv : (n,)
        Value of each customer, money.
    incentive_fraction
        Share of the value, 0 to 1.
    contact_cost
        Money.
    alpha, beta
        As `expected_max_profit`; only their mean matters here.

    Returns
    -------
    MaximumProfit
        Profit per customer, with the share of customers to contact.

    References
    ----------
    Janssens, Bogaert, Bague, Van den Poel (2022), Annals of Operations Research,
    doi:10.1007/s10479-022-04631-5.

    Examples
    --------
    >>> y, p = [0, 1, 0, 1, 0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8, 0.9]
    >>> value = [100, 200, 150, 300, 120, 250, 180, 220]
    >>> found = expected_max_profit_b2b(y, p, clv=value)
    >>> round(found, 5), found.fraction
    (18.61875, 0.875)
    """
    outcome = check_outcome(y)
    if np.size(clv) not in {1, len(outcome)}:
        raise EvaluationError(f"{np.size(clv)} values for {len(outcome)} rows: pass one per row")
    value = np.broadcast_to(np.asarray(clv, dtype=np.float64), outcome.shape)
    refuse(~(np.isfinite(value) & (value >= 0)), "values of clv are negative or not finite")
    _check_campaign(contact_cost=contact_cost)
    _check_beta(alpha, beta)
    if not 0 <= incentive_fraction <= 1:
        raise EvaluationError(
            f"incentive_fraction must lie between 0 and 1, got {incentive_fraction}"
        )
    accepted = alpha / (alpha + beta)
    benefit = accepted * (1 - incentive_fraction) * value - contact_cost
    gain = np.where(outcome == 1, benefit, -(incentive_fraction * value + contact_cost))
    return _curve(outcome, probability, gain).best


def _curve(
    outcome: NDArray[np.float64], probability: ArrayLike, gain: NDArray[np.float64]
) -> ProfitCurve:
    rows = len(outcome)
    scores = check_probability(probability, rows=rows)
    distinct, group = np.unique(scores, return_inverse=True)
    size = np.bincount(group, minlength=len(distinct))[::-1]
    profit = np.bincount(group, gain, len(distinct))[::-1]
    return ProfitCurve(
        np.append(0.0, np.cumsum(size) / rows), np.append(0.0, np.cumsum(profit) / rows)
    )


def _hull(groups: ScoreGroups) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return churners and stayers contacted, as shares of all, at the ROC hull's corners."""
    total = groups.cumulative_total[-1]
    churners = np.append(0.0, np.cumsum(groups.churned[::-1]) / total)
    stayers = np.append(0.0, np.cumsum(groups.stayed[::-1]) / total)
    corners: list[int] = []
    for at in range(len(churners)):
        while len(corners) > 1 and _is_concave(churners, stayers, corners[-2], corners[-1], at):
            corners.pop()
        corners.append(at)
    at_corners = np.array(corners)
    churners, stayers = churners[at_corners], stayers[at_corners]
    # Beyond the last churner the hull is flat: contacting more only costs.
    rising = np.append(True, np.diff(churners) > 0)
    return churners[rising], stayers[rising]


def _is_concave(
    churners: NDArray[np.float64], stayers: NDArray[np.float64], first: int, middle: int, last: int
) -> bool:
    """Return True if the middle point lies on or below the line from the first to the last."""
    run = (stayers[middle] - stayers[first]) * (churners[last] - churners[first])
    rise = (churners[middle] - churners[first]) * (stayers[last] - stayers[first])
    return bool(rise <= run)


def _check_campaign(**amounts: Any) -> None:
    for name, amount in amounts.items():
        if np.ndim(amount) or not (np.isfinite(amount) and amount >= 0):
            raise EvaluationError(f"{name} must be a finite amount of at least 0")


def _check_beta(alpha: float, beta: float) -> None:
    if not (alpha > 0 and beta > 0 and np.isfinite(alpha) and np.isfinite(beta)):
        raise EvaluationError("alpha and beta of the acceptance rate must be above 0")
