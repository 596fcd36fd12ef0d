"""Exact probabilities of the future, computed month by month over the hidden states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.datasets.simulation.churn_hazard import (
    STATES,
    TREATMENT_MONTHS,
    monthly_hazard,
    transitions,
)
from churnkit.datasets.simulation.population import ACTIONS
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.datasets.simulation.history import History
    from churnkit.datasets.simulation.population import Population

__all__ = ["SurvivalWalk"]


class SurvivalWalk:
    """Probabilities of customers to be active in each state, from a time on.

    Parameters
    ----------
    population, history
        Population and history of the simulation.
    rows
        Indices of customers who are active at `moment`, shape (k,).
    moment
        Start of the walk, in microseconds, UTC.
    action
        One of `ACTIONS`, taken at `moment`; None continues effects of earlier actions.

    Raises
    ------
    ChurnkitError
        If the action is unknown.
    """

    def __init__(
        self,
        population: Population,
        history: History,
        rows: NDArray[np.int64],
        moment: int,
        action: str | None,
    ) -> None:
        if action is not None and action not in ACTIONS:
            raise ChurnkitError(f"unknown action '{action}'; available: {', '.join(ACTIONS)}")
        self.rows: NDArray[np.int64] = rows
        self.now: int = moment
        self._first_month = self._month = history.month_of(moment)
        self._origin = history.edges[0].astype("datetime64[us]").astype("datetime64[M]")
        self._traits = population.log_odds[rows]
        self._annual = population.annual[rows][:, np.newaxis]
        self._onboarded = population.onboarded[rows]
        self._tenure = history.tenure[rows, self._month].astype(np.int64)
        self._chain = transitions()
        self._probability = np.zeros((len(rows), STATES))
        self._probability[np.arange(len(rows)), history.state[rows, self._month]] = 1.0
        if action is None:
            self._effect, self._effect_ends = self._carried_over(history)
        else:
            self._effect = population.response[rows, ACTIONS.index(action)]
            self._effect_ends = self._month + TREATMENT_MONTHS

    @property
    def month_begins(self) -> int:
        """Start of the current month."""
        return self._edge(self._month)

    def alive(self) -> NDArray[np.float64]:
        """Return the probability of being active, shape (k,)."""
        active: NDArray[np.float64] = self._probability.sum(axis=1)
        return active

    def step(self, until: int | None = None) -> NDArray[np.float64]:
        """Advance to the next month or to `until`, and return the probability of churn.

        Churn is uniform within a month of hazard `h`, so customers who are active at `a` churn in
        the part `[a, b)` of the month with probability `h (b - a) / (1 - h a)`.
        """
        begin, end = self._edge(self._month), self._edge(self._month + 1)
        stop = end if until is None else min(end, until)
        at, to = (self.now - begin) / (end - begin), (stop - begin) / (end - begin)
        effect = self._effect if self._month < self._effect_ends else 0.0
        hazard = monthly_hazard(
            (self._traits + effect)[:, np.newaxis],
            self._annual,
            (self._tenure + self._month - self._first_month)[:, np.newaxis],
            np.arange(STATES),
        )
        leaving = self._probability * hazard * (to - at) / (1.0 - hazard * at)
        self._probability -= leaving
        self.now = stop
        if stop == end:
            self._change_states()
        left: NDArray[np.float64] = leaving.sum(axis=1)
        return left

    def _carried_over(self, history: History) -> tuple[NDArray[np.float64], int]:
        """Return the effect of earlier actions, and the month in which it ends."""
        started = [month for month in history.campaigns if history.edges[month] < self.now]
        ends = started[-1] + TREATMENT_MONTHS if started else 0
        if self._first_month >= ends:
            return np.zeros(len(self.rows)), 0
        return history.at_work[self.rows, self._first_month].astype(np.float64), ends

    def _change_states(self) -> None:
        self._month += 1
        for kind in (0, 1):
            rows = self._onboarded == bool(kind)
            self._probability[rows] = self._probability[rows] @ self._chain[kind]

    def _edge(self, month: int) -> int:
        return int(
            (self._origin + np.timedelta64(month, "M")).astype("datetime64[us]").astype(np.int64)
        )
