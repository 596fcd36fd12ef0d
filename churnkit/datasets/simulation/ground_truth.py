"""The truth behind a simulation, computed from its law and not from its draws."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.time import as_moment
from churnkit.datasets.simulation.history import DAY
from churnkit.datasets.simulation.population import ACTIONS, GROUPS
from churnkit.datasets.simulation.survival_walk import Walk
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from churnkit.datasets.simulation.history import History
    from churnkit.datasets.simulation.population import Population

__all__ = ["Truth"]


@dataclass(frozen=True, slots=True)
class Truth:
    """What no company knows about its customers.

    Everything is exact: a customer's state moves by a known chain and leaves by a known hazard,
    so probabilities and expectations are sums over the six states, with no draw in them. They
    hold for what is true of the customer at `as_of`, the unseen state and trait included; a
    model that sees only tables can at best be right on average.

    Parameters
    ----------
    customer_id
        Names, in the order of the table ``customers``; shape (n,).
    months
        First moments of the simulated months; shape (months,), ``datetime64[us]``, UTC.
    hazard
        Probability of leaving within each calendar month, had no action ever been taken; NaN
        when not a customer at any time of that month; shape (n, months).
    group
        How each customer responds to actions: ``persuadable``, ``sure thing``, ``lost cause``
        or ``sleeping dog``; shape (n,).
    propensities
        Probability of each of ``actions`` in each row of the table ``treatments``; shape
        (rows, 4).
    campaign_months
        Positions in `months` of those that open with a campaign.
    actions
        Names of the actions; the first is doing nothing.

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
        """Gather the truth of one simulation."""
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
        """Tell who is a customer at `as_of`: joined strictly before it and not gone before it.

        Returns
        -------
        numpy.ndarray
            Shape (n,).
        """
        moment = self._moment(as_of)
        customer, _, start, end = self._history.spells.T
        found = np.zeros(len(self.customer_id), dtype=bool)
        found[customer[(start < moment) & (end >= moment)]] = True
        return found

    def churn_probability(
        self,
        as_of: str | datetime | np.datetime64,
        *,
        horizon_days: int = 90,
        action: str | None = None,
    ) -> NDArray[np.float64]:
        """Return the probability of leaving within `[as_of, as_of + horizon_days)`.

        Actions that were taken before `as_of` work on until they end; none is taken after it.
        So this is the probability behind the label of a snapshot whose outcome window holds no
        campaign, as the default one's.

        Parameters
        ----------
        as_of
            A moment within the simulated months, UTC.
        horizon_days
            Length of the outcome window in days.
        action
            One of ``actions``, taken at `as_of` and at work for that calendar month and the two
            after it, in the place of what was at work; None leaves things as they are.

        Returns
        -------
        numpy.ndarray
            Shape (n,); NaN for those who are not customers at `as_of`.

        Raises
        ------
        ChurnkitError
            If `as_of` lies outside the simulated months, or the action is unknown.
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
        """Return what each action at `as_of` does to each customer's churn probability.

        Negative is good: the action prevents churn.

        Returns
        -------
        numpy.ndarray
            Shape (n, 3): churn probability with each of ``actions[1:]`` less that with
            ``"none"``; NaN for those who are not customers at `as_of`.
        """
        nothing = self.churn_probability(as_of, horizon_days=horizon_days, action=ACTIONS[0])
        return np.column_stack(
            [
                self.churn_probability(as_of, horizon_days=horizon_days, action=action) - nothing
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
        """Return the expected revenue of the next payments, without any action from now on.

        A customer pays the month's revenue at each month's beginning, if still there; seats
        come and go with even chances, so the expected revenue of a month is today's.

        ``sum over s = 0 .. months - 1 of mrr * P(there at payment s) / (1 + discount) ** s``

        Parameters
        ----------
        as_of
            A moment within the simulated months; the first payment is the first one at or
            after it.
        months
            How many payments.
        monthly_discount
            Such as .01 for one per cent a month.

        Returns
        -------
        numpy.ndarray
            Money, shape (n,); NaN for those who are not customers at `as_of`.
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
        """Return the monthly revenue in force just before `as_of`; NaN for non-customers.

        Returns
        -------
        numpy.ndarray
            Money a month, shape (n,).
        """
        moment = self._moment(as_of)
        rows = np.flatnonzero(self.active(as_of))
        month = self._history.month_of(moment)
        seats = self._history.seats[:, month].astype(np.int64)
        customer, when, after = self._history.seat_changes.T
        recent = (when >= self._history.edges[month]) & (when < moment)
        seats[customer[recent]] = after[recent]
        return self._spread(rows, seats[rows] * self._population.seat_price[rows])

    def _walk(self, moment: int, action: str | None) -> Walk:
        rows = np.flatnonzero(self.active(np.datetime64(moment, "us")))
        return Walk(self._population, self._history, rows, moment, action)

    def _spread(self, rows: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        spread = np.full(len(self.customer_id), np.nan)
        spread[rows] = values
        return spread

    def _moment(self, as_of: str | datetime | np.datetime64) -> int:
        moment = as_moment(as_of)
        first, end = self._history.edges[[0, -1]].astype("datetime64[us]")
        if not first <= moment <= end:
            raise ChurnkitError(
                f"as_of {moment} lies outside the simulated time; choose one from {first} to {end}"
            )
        return int(moment.astype(np.int64))
