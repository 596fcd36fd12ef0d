"""Simulate the history of all customers, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from churnkit.datasets.simulation.churn_hazard import (
    STATES,
    TREATMENT_MONTHS,
    monthly_hazard,
    transitions,
)
from churnkit.datasets.simulation.population import ACTIONS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.datasets.simulation.population import Population

__all__ = ["DAY", "NEVER", "History", "campaign_months", "simulate_history"]

DAY = 86_400_000_000  # microseconds
NEVER = np.iinfo(np.int64).max
_SECOND = 1_000_000

_START_MIX = np.array([0.28, 0.0, 0.6, 0.0, 0.12, 0.0])
_STOCK_MIX = np.array([0.31, 0.02, 0.41, 0.03, 0.2, 0.03])
_SESSIONS_A_MONTH = np.array([7.8, 6.4, 3.6, 3.0, 0.8, 0.7])
_SEASON = np.array([1.0, 1.0, 1.05, 1.0, 1.0, 0.95, 0.85, 0.85, 1.05, 1.05, 1.05, 0.75])
_TICKET_CHANCE = 0.85
_SEAT_CHANGE_CHANCE = 0.02
_RETURN_CHANCE = 0.012
_RETURN_AFTER_MONTHS = 2
_FIRST_CAMPAIGN_MONTH = 3
_CAMPAIGN_EVERY_MONTHS = 4
_LAST_MONTHS_WITHOUT = 6
_PROPENSITY_FLOOR = 0.05
_LOW_USE = 2
_HIGH_MRR = 150.0


@dataclass(frozen=True, slots=True)
class History:
    """Simulated history: grids of customers and months, and lists of events.

    Parameters
    ----------
    edges
        Starts of the months and the end of the last, in microseconds, shape (months + 1,).
    tenure, state
        Calendar months since joining, and code of the state, at each edge; -1 for
        non-customers; shape (n, months + 1).
    begin, end
        Active part of the month, in microseconds, shape (n, months), as all grids below.
    hazard
        Probability of churn within the month without any action; NaN for non-customers.
    at_work
        Effect of active actions on the month's log-odds.
    seats
        Seats at each edge, shape (n, months + 1).
    sessions
        Number of sessions.
    spells
        Columns customer, number, start, end (`NEVER` if running); shape (spells, 4).
    seat_changes
        Columns customer, time, seats after; shape (changes, 3).
    problem_tickets
        Columns customer, opened, closed (`NEVER` if open); shape (tickets, 3).
    treatments
        Columns customer, month, action, row of the running spell; shape (decisions, 4).
    propensities
        Probability of each of `ACTIONS` in each decision; shape (decisions, 4).
    campaigns
        Months that start with a campaign.
    """

    edges: NDArray[np.int64]
    tenure: NDArray[np.int16]
    state: NDArray[np.int8]
    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    hazard: NDArray[np.float64]
    at_work: NDArray[np.float32]
    seats: NDArray[np.int32]
    sessions: NDArray[np.int16]
    spells: NDArray[np.int64]
    seat_changes: NDArray[np.int64]
    problem_tickets: NDArray[np.int64]
    treatments: NDArray[np.int64]
    propensities: NDArray[np.float64]
    campaigns: tuple[int, ...]

    @property
    def months(self) -> int:
        """Number of simulated months."""
        return len(self.edges) - 1

    def month_of(self, time: int) -> int:
        """Return the index of the month that contains a time."""
        return int(np.searchsorted(self.edges, time, side="right")) - 1


def campaign_months(months: int) -> list[int]:
    """Return the months that start with a campaign; the last six have none.

    Examples
    --------
    >>> campaign_months(24)
    [3, 7, 11, 15]
    """
    last = months - _LAST_MONTHS_WITHOUT
    return list(range(_FIRST_CAMPAIGN_MONTH, last, _CAMPAIGN_EVERY_MONTHS))


def simulate_history(
    population: Population,
    edges: NDArray[np.int64],
    rng: np.random.Generator,
    *,
    campaigns: tuple[int, ...],
) -> History:
    """Simulate the months between `edges` for all customers, with campaigns in some."""
    simulator = _Simulator(population, edges, rng)
    for month in range(len(edges) - 1):
        simulator.add_customers(month)
        if month in campaigns:
            simulator.campaign(month)
        simulator.churn(month)
        simulator.use_product(month)
        simulator.raise_tickets(month)
        simulator.change_seats(month)
        simulator.change_states()
    simulator.record_state(len(edges) - 1)
    return simulator.history(campaigns)


class _Simulator:
    """Current state of all customers; each method is one step of a month."""

    def __init__(
        self, population: Population, edges: NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        n, months = len(population), len(edges) - 1
        self.population, self.edges, self.rng = population, edges, rng
        self.chain = np.cumsum(transitions(), axis=2)
        self.active = np.zeros(n, dtype=bool)
        self.state = np.zeros(n, dtype=np.int64)
        self.spell = np.full(n, -1)  # row of the running or last spell
        self.spell_number = np.zeros(n, dtype=np.int64)
        self.start_month = np.zeros(n, dtype=np.int64)
        self.left_month = np.full(n, -1)
        self.treated_month = np.full(n, -TREATMENT_MONTHS)
        self.treated_effect = np.zeros(n)
        self.current_seats = population.seats.copy()
        self.open_ticket = np.full(n, -1)  # row of the open problem ticket
        self.tenure = np.full((n, months + 1), -1, dtype=np.int16)
        self.states = np.full((n, months + 1), -1, dtype=np.int8)
        self.begin = np.zeros((n, months), dtype=np.int64)
        self.end = np.zeros((n, months), dtype=np.int64)
        self.hazard = np.full((n, months), np.nan)
        self.at_work = np.zeros((n, months), dtype=np.float32)
        self.seats = np.zeros((n, months + 1), dtype=np.int32)
        self.sessions = np.zeros((n, months), dtype=np.int16)
        self.spells = _Rows(4)
        self.seat_changes = _Rows(3)
        self.tickets = _Rows(3)
        self.treatments = _Rows(4)
        self.propensities: list[NDArray[np.float64]] = []

    def add_customers(self, month: int) -> None:
        """Add new customers and a few returning ones."""
        people = self.population
        joining = people.join_month == month
        if month == 0:
            stock = people.join_month < 0
            self._begin_spells(stock, people.joined, people.join_month, _STOCK_MIX)
        self._begin_spells(joining, people.joined, people.join_month, _START_MIX)
        away = ~self.active & (self.left_month >= 0)
        ready = away & (month - self.left_month >= _RETURN_AFTER_MONTHS)
        back = ready & (self.rng.random(len(people)) < _RETURN_CHANCE)
        start = self.edges[month] + self._within(len(people), self._length(month))
        self._begin_spells(back, start, np.full(len(people), month), _START_MIX)
        self.record_state(month)
        starts = np.where(self.start_month == month, self.spells.column(2, self.spell), 0)
        self.begin[:, month] = np.where(self.active, np.maximum(starts, self.edges[month]), 0)

    def record_state(self, month: int) -> None:
        """Record tenure, state and seats of active customers."""
        active = self.active
        self.tenure[active, month] = month - self.start_month[active]
        self.states[active, month] = self.state[active]
        self.seats[active, month] = self.current_seats[active]

    def campaign(self, month: int) -> None:
        """Choose an action for each customer with consent, by known propensities."""
        people = self.population
        eligible = np.flatnonzero(self.active & people.consent & (month > self.start_month))
        low_use = self.sessions[eligible, month - 1] <= _LOW_USE
        open_ticket = self.open_ticket[eligible] >= 0
        high_mrr = self.current_seats[eligible] * people.seat_price[eligible] >= _HIGH_MRR
        annual = people.annual[eligible]
        score = np.zeros((len(eligible), len(ACTIONS)))
        score[:, 0] = 0.6
        score[:, 1] = -0.6 + 1.0 * open_ticket + 0.9 * high_mrr
        score[:, 2] = -0.4 + 0.9 * low_use - 0.7 * annual
        score[:, 3] = -0.7 + 0.8 * low_use + 0.5 * ~people.onboarded[eligible]
        weight = np.exp(score)
        weight /= weight.sum(axis=1, keepdims=True)
        chance = _PROPENSITY_FLOOR + (1.0 - len(ACTIONS) * _PROPENSITY_FLOOR) * weight
        action = _pick(np.cumsum(chance, axis=1), self.rng.random(len(eligible)))
        self.treated_month[eligible] = month
        self.treated_effect[eligible] = people.response[eligible, action]
        months = np.full(len(eligible), month)
        self.treatments.add(eligible, months, action, self.spell[eligible])
        self.propensities.append(chance)

    def churn(self, month: int) -> None:
        """Draw who churns in this month, and when."""
        people, there = self.population, np.flatnonzero(self.active)
        working = month - self.treated_month[there] < TREATMENT_MONTHS
        effect = np.where(working, self.treated_effect[there], 0.0)
        self.at_work[there, month] = effect
        traits, annual = people.log_odds[there], people.annual[there]
        tenure, state = month - self.start_month[there], self.state[there]
        self.hazard[there, month] = monthly_hazard(traits, annual, tenure, state)
        # The stored effect, so that ground truth and history share its rounding.
        effect = self.at_work[there, month].astype(np.float64)
        acted = monthly_hazard(traits + effect, annual, tenure, state)
        gone = there[self.rng.random(len(there)) < acted]
        moment = self.edges[month] + self._within(len(gone), self._length(month))
        self.end[there, month] = self.edges[month + 1]
        self.end[gone, month] = moment
        self.spells.change(self.spell[gone], 3, moment)
        # A ticket that is open when its customer churns is closed with the account.
        waiting = self.open_ticket[gone] >= 0
        self.tickets.change(self.open_ticket[gone[waiting]], 2, moment[waiting])
        self.open_ticket[gone] = -1
        self.active[gone] = False
        self.left_month[gone] = month

    def use_product(self, month: int) -> None:
        """Draw the sessions of customers, fewer when fading or with a problem."""
        there = np.flatnonzero(self.states[:, month] >= 0)
        share = (self.end[there, month] - self.begin[there, month]) / self._length(month)
        calendar = int(
            self.edges[month].astype("datetime64[us]").astype("datetime64[M]").astype(int)
        )
        rate = _SESSIONS_A_MONTH[self.state[there]] * self.population.appetite[there]
        self.sessions[there, month] = self.rng.poisson(rate * share * _SEASON[calendar % 12])

    def raise_tickets(self, month: int) -> None:
        """Open tickets for new problems, and close those of solved ones."""
        there = np.flatnonzero(self.states[:, month] >= 0)
        begin, end = self.begin[there, month], self.end[there, month]
        problem = self.state[there] % 2 == 1
        waiting = self.open_ticket[there] >= 0
        luck = self.rng.random(len(there))
        opens = problem & ~waiting & (luck < _TICKET_CHANCE)
        opened = begin + self._floor_seconds(0.4 * self.rng.random(len(there)) * (end - begin))
        closed = begin + self._floor_seconds((0.1 + 7.9 * luck) * DAY)
        closes = ~problem & waiting & (closed < end)
        self.tickets.change(self.open_ticket[there[closes]], 2, closed[closes])
        self.open_ticket[there[closes]] = -1
        stays = self.active[there]
        rows = self.tickets.add(there[opens], opened[opens], np.where(stays, NEVER, end)[opens])
        self.open_ticket[there[opens]] = np.where(stays[opens], rows, -1)

    def change_seats(self, month: int) -> None:
        """Add or remove seats with equal probability, so that the mean is constant."""
        able = np.flatnonzero(self.active & (self.current_seats > 1))
        luck = self.rng.random(len(able))
        change = (luck < _SEAT_CHANGE_CHANCE).astype(np.int64)
        change -= luck >= 1.0 - _SEAT_CHANGE_CHANCE
        changing = able[change != 0]
        self.current_seats[able] += change
        begin = self.begin[changing, month]
        span = self.end[changing, month] - begin
        when = begin + self._floor_seconds((0.05 + 0.9 * self.rng.random(len(changing))) * span)
        self.seat_changes.add(changing, when, self.current_seats[changing])

    def change_states(self) -> None:
        """Draw the next month's states of active customers."""
        there = np.flatnonzero(self.active)
        rows = self.chain[self.population.onboarded[there].astype(np.int64), self.state[there]]
        self.state[there] = _pick(rows, self.rng.random(len(there)))

    def history(self, campaigns: tuple[int, ...]) -> History:
        """Return the recorded history."""
        chances = [np.empty((0, len(ACTIONS))), *self.propensities]
        return History(
            edges=self.edges,
            tenure=self.tenure,
            state=self.states,
            begin=self.begin,
            end=self.end,
            hazard=self.hazard,
            at_work=self.at_work,
            seats=self.seats,
            sessions=self.sessions,
            spells=self.spells.stacked(),
            seat_changes=self.seat_changes.stacked(),
            problem_tickets=self.tickets.stacked(),
            treatments=self.treatments.stacked(),
            propensities=np.concatenate(chances),
            campaigns=campaigns,
        )

    def _begin_spells(
        self,
        who: NDArray[np.bool_],
        start: NDArray[np.int64],
        start_month: NDArray[np.int64],
        mix: NDArray[np.float64],
    ) -> None:
        people = np.flatnonzero(who)
        self.spell_number[people] += 1
        never = np.full(len(people), NEVER)
        self.spell[people] = self.spells.add(
            people, self.spell_number[people], start[people], never
        )
        self.active[people] = True
        self.start_month[people] = start_month[people]
        self.open_ticket[people] = -1
        self.treated_month[people] = -TREATMENT_MONTHS
        cumulative = np.broadcast_to(np.cumsum(mix), (len(people), STATES))
        self.state[people] = _pick(cumulative, self.rng.random(len(people)))

    def _length(self, month: int) -> int:
        return int(self.edges[month + 1] - self.edges[month])

    def _within(self, count: int, length: int) -> NDArray[np.int64]:
        return self._floor_seconds(self.rng.random(count) * length)

    @staticmethod
    def _floor_seconds(span: NDArray[np.float64]) -> NDArray[np.int64]:
        """Round down microseconds to seconds."""
        seconds: NDArray[np.int64] = (span // _SECOND).astype(np.int64)
        return seconds * _SECOND


class _Rows:
    """Growing table of integers whose rows can be changed."""

    def __init__(self, columns: int) -> None:
        self._data = np.empty((columns, 1024), dtype=np.int64)
        self._used = 0

    def add(self, *columns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Append one block and return its row numbers."""
        count = len(columns[0])
        if self._used + count > self._data.shape[1]:
            wider = np.empty((len(self._data), 2 * (self._used + count)), dtype=np.int64)
            wider[:, : self._used] = self._data[:, : self._used]
            self._data = wider
        rows = np.arange(self._used, self._used + count)
        for index, column in enumerate(columns):
            self._data[index, rows] = column
        self._used += count
        return rows

    def change(self, rows: NDArray[np.int64], column: int, values: NDArray[np.int64]) -> None:
        """Set one column of some rows."""
        self._data[column, rows] = values

    def column(self, column: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Read one column of some rows; the value for row -1 is undefined."""
        values: NDArray[np.int64] = self._data[column, rows]
        return values

    def stacked(self) -> NDArray[np.int64]:
        """Return all rows, shape (rows, columns)."""
        return self._data[:, : self._used].T.copy()


def _pick(cumulative: NDArray[np.float64], luck: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draw a column for each row of cumulative probabilities."""
    # The last column takes the remainder, so that rounding cannot draw a column beyond it.
    picked: NDArray[np.int64] = np.sum(luck[:, np.newaxis] >= cumulative[:, :-1], axis=1)
    return picked
