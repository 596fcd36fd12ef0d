"""Ground truth of a simulation, computed exactly from its hazard and transitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.time import as_moment
from churnkit.datasets.simulation.history import DAY
from churnkit.datasets.simulation.population import ACTIONS, GROUPS
from churnkit.datasets.simulation.survival_walk import SurvivalWalk
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from churnkit.datasets.simulation.history import History
    from churnkit.datasets.simulation.population import Population

__all__ = ["Truth"]


@dataclass(frozen=True, slots=True)
class Truth:
    """Exact churn probabilities, treatment effects and values of simulated customers.

    States follow a known Markov chain with a known hazard, so probabilities and expectations are
    sums over the six states. They are conditional on the hidden state and traits; a model that
    reads the tables can be right on average at best.

    Parameters
    ----------
    customer_id
        Ids, in the order of the table ``customers``, shape (n,).
    months
        Starts of the simulated months, shape (months,), ``datetime64[us]``, UTC.
    hazard
        Probability of churn within each calendar month without any action; NaN for
        non-customers; shape (n, months).
    group
        Response to actions: ``persuadable``, ``sure thing``, ``lost cause`` or
        ``sleeping dog``, shape (n,).
    propensities
        Probability of each of ``actions`` in each row of the table ``treatments``, shape
        (rows, 4).
    campaign_months
        Indices of the months that start with a campaign.
    actions
        Names of the actions; the first is no action.

    Examples
    --------
    >>> from churnkit.datasets import simulate
    >>> truth = simulate(customers=50, months=12, seed=2).truth
    >>> truth.churn_probability("2024-06-01").shape, truth.effect("2024-06-01").shape
    ((50,), (50, 3))
    """

    customer_id: NDArray[np.str_]
    months: NDArray[np.datetime64]
    hazard: NDArray[np.float64]
    group: NDArray[np.str_]
    propensities: NDArray[np.float64]
    campaign_months: tuple[int, ...]
    actions: tuple[str, ...]
    _population: Population = field(repr=False)
    _history: History = field(repr=False)

    @classmethod
    def of(cls, customer_id: NDArray[np.str_], population: Population, history: History) -> Truth:
        """Create the ground truth of a simulation."""
        return cls(
            customer_id=customer_id,
            months=history.edges[:-1].astype("datetime64[us]"),
            hazard=history.hazard,
            group=np.array(GROUPS)[population.group],
            propensities=history.propensities,
            campaign_months=history.campaigns,
            actions=ACTIONS,
            _population=population,
            _history=history,
        )

    def active(self, as_of: str | datetime | np.datetime64) -> NDArray[np.bool_]:
        """Return a mask of the customers at `as_of`, who joined before and had not churned.

        Parameters
        ----------
        as_of
            A time within the simulated months, UTC.

        Returns
        -------
        numpy.ndarray
            Shape (n,).
        """
        moment = self._moment(as_of)
        customer, _, start, end = self._history.spells.T
        active = np.zeros(len(self.customer_id), dtype=bool)
        active[customer[(start < moment) & (end >= moment)]] = True
        return active

    def churn_probability(
        self,
        as_of: str | datetime | np.datetime64,
        *,
        horizon_days: int = 90,
        action: str | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of churn within `[as_of, as_of + horizon_days)`.

        Effects of earlier actions continue until they end; no action is taken later. This is the
        probability of the label of a snapshot whose outcome window has no campaign, such as the
        default one.

        Parameters
        ----------
        as_of
            A time within the simulated months, UTC.
        horizon_days
            Length of the outcome window in days.
        action
            One of ``actions``, taken at `as_of`, with an effect in that calendar month and the
            next two that replaces earlier effects. None: no new action.

        Returns
        -------
        numpy.ndarray
            Shape (n,); NaN for non-customers at `as_of`.

        Raises
        ------
        ChurnkitError
            If `as_of` is outside the simulated months, or the action is unknown.
        """
        moment = self._moment(as_of)
        until = moment + horizon_days * DAY
        walk = self._walk(moment, action)
        left = np.zeros(len(walk.rows))
        while walk.now < until:
            left += walk.step(until)
        return self._spread(walk.rows, left)

    def effect(
        self, as_of: str | datetime | np.datetime64, *, horizon_days: int = 90
    ) -> NDArray[np.float64]:
        """Return the effect of each action on each customer's churn probability.

        Negative effects prevent churn.

        Parameters
        ----------
        as_of, horizon_days
            As in `churn_probability`.

        Returns
        -------
        numpy.ndarray
            Shape (n, 3): churn probability with each of ``actions[1:]`` minus that with
            ``"none"``; NaN for non-customers at `as_of`.
        """
        control = self.churn_probability(as_of, horizon_days=horizon_days, action=ACTIONS[0])
        return np.column_stack(
            [
                self.churn_probability(as_of, horizon_days=horizon_days, action=action) - control
                for action in ACTIONS[1:]
            ]
        )

    def remaining_value(
        self,
        as_of: str | datetime | np.datetime64,
        *,
        months: int = 24,
        monthly_discount: float = 0.0,
    ) -> NDArray[np.float64]:
        """Return the expected revenue of the next payments without further actions.

        Active customers pay monthly revenue at each month's start. Seats increase and decrease
        with equal probability, so expected revenue per month is constant.

        ``sum over s = 0 .. months - 1 of mrr * P(active at payment s) / (1 + discount) ** s``

        Parameters
        ----------
        as_of
            A time within the simulated months; the first payment is at or after it.
        months
            Number of payments.
        monthly_discount
            Discount rate per month, such as 0.01 for 1%.

        Returns
        -------
        numpy.ndarray
            Money, shape (n,); NaN for non-customers at `as_of`.
        """
        walk = self._walk(self._moment(as_of), None)
        paid = np.zeros(len(walk.rows))
        if walk.now > walk.month_begins:
            walk.step()
        for payment in range(months):
            paid += walk.alive() / (1.0 + monthly_discount) ** payment
            walk.step()
        return self._spread(walk.rows, paid * self.mrr(as_of)[walk.rows])

    def mrr(self, as_of: str | datetime | np.datetime64) -> NDArray[np.float64]:
        """Return monthly revenue just before `as_of`.

        Parameters
        ----------
        as_of
            A time within the simulated months, UTC.

        Returns
        -------
        numpy.ndarray
            Money per month, shape (n,); NaN for non-customers.
        """
        moment = self._moment(as_of)
        rows = np.flatnonzero(self.active(as_of))
        month = self._history.month_of(moment)
        seats = self._history.seats[:, month].astype(np.int64)
        customer, when, after = self._history.seat_changes.T
        recent = (when >= self._history.edges[month]) & (when < moment)
        seats[customer[recent]] = after[recent]
        return self._spread(rows, seats[rows] * self._population.seat_price[rows])

    def _walk(self, moment: int, action: str | None) -> SurvivalWalk:
        rows = np.flatnonzero(self.active(np.datetime64(moment, "us")))
        return SurvivalWalk(self._population, self._history, rows, moment, action)

    def _spread(self, rows: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        spread = np.full(len(self.customer_id), np.nan)
        spread[rows] = values
        return spread

    def _moment(self, as_of: str | datetime | np.datetime64) -> int:
        moment = as_moment(as_of)
        first, end = self._history.edges[[0, -1]].astype("datetime64[us]")
        if not first <= moment <= end:
            raise ChurnkitError(f"as_of {moment} is outside the simulated period, {first} to {end}")
        return int(moment.astype(np.int64))
