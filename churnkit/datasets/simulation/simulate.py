"""A simulated subscription business, whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.core.time import as_moment
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import pyarrow as pa

    from churnkit.datasets.simulation.ground_truth import Truth

__all__ = ["Simulation", "simulate"]

_FEWEST_MONTHS = 6
_MOST_CUSTOMERS = 9_999_999


@dataclass(frozen=True, slots=True)
class Simulation:
    """The tables of a simulated company, and the truth behind them.

    Parameters
    ----------
    tables
        ``customers, subscriptions, events, tickets, surveys, treatments``: what the company
        knows, as ``pyarrow.Table``.
    truth
        What it does not: hazards, values, effects.
    start, end
        The simulated time, `[start, end)`, UTC.
    seed
        The seed that it came from.
    """

    tables: Mapping[str, pa.Table] = field(repr=False)
    truth: Truth = field(repr=False)
    start: np.datetime64
    end: np.datetime64
    seed: int

    def snapshot(
        self, as_of: str | datetime | np.datetime64 | None = None, *, horizon_days: int | None = 90
    ) -> pa.Table:
        """Return one flat row for each customer at `as_of`.

        Features are made from rows that happened strictly before `as_of` and were known then;
        the label ``churned`` says whether the customer left within
        `[as_of, as_of + horizon_days)`.

        Parameters
        ----------
        as_of
            A moment, UTC; the last month's beginning whose outcome window is over at the end
            of the simulation, if None.
        horizon_days
            Length of the outcome window; None for a table without label.

        Returns
        -------
        pyarrow.Table
            As the schema ``schemas/demo.py`` says.

        Raises
        ------
        ChurnkitError
            If `as_of` lies outside the simulated time, or the outcome window beyond its end.

        Examples
        --------
        >>> business = simulate(customers=300, months=12, seed=1)
        >>> business.snapshot("2024-07-01", horizon_days=60).column_names[-1]
        'churned'
        """
        from churnkit.datasets.simulation.snapshot import flat_snapshot

        return flat_snapshot(self.tables, self._moment(as_of, horizon_days), horizon_days)

    def snapshot_truth(
        self, as_of: str | datetime | np.datetime64 | None = None, *, horizon_days: int = 90
    ) -> pa.Table:
        """Return the truth about the customers of `snapshot`, in the same order.

        Parameters
        ----------
        as_of, horizon_days
            As in `snapshot`.

        Returns
        -------
        pyarrow.Table
            Columns ``customer_id``; ``churn_probability`` within the horizon if nothing more is
            done; ``group``; ``effect_call, effect_discount, effect_training``: what each action
            now would add to that probability; ``remaining_value``: expected revenue of the next
            24 months.
        """
        import pyarrow as pa

        moment = self._moment(as_of, None if as_of is not None else horizon_days)
        truth = self.truth
        there = truth.active(moment)
        effect = truth.effect(moment, horizon_days=horizon_days)[there]
        probability = truth.churn_probability(moment, horizon_days=horizon_days)[there]
        columns: dict[str, Any] = {
            "customer_id": pa.array(truth.customer_id[there].tolist()),
            "churn_probability": pa.array(probability),
            "group": pa.array(truth.group[there].tolist()),
        }
        for position, action in enumerate(truth.actions[1:]):
            columns[f"effect_{action}"] = pa.array(effect[:, position])
        columns["remaining_value"] = pa.array(truth.remaining_value(moment)[there])
        return pa.table(columns)

    def _moment(
        self, as_of: str | datetime | np.datetime64 | None, horizon_days: int | None
    ) -> np.datetime64:
        horizon = np.timedelta64((horizon_days or 0) * 86_400_000_000, "us")
        if as_of is None:
            last = (self.end - horizon).astype("datetime64[M]").astype("datetime64[us]")
            moment: np.datetime64 = max(last, self.start)
        else:
            moment = as_moment(as_of)
        if not self.start < moment <= self.end:
            raise ChurnkitError(
                f"as_of {moment} lies outside the simulated time; choose one after {self.start} "
                f"and not after {self.end}"
            )
        if moment + horizon > self.end:
            raise ChurnkitError(
                f"the outcome window of {horizon_days} days from {moment} runs past the end of "
                f"the simulated time, {self.end}: who left is not known yet. Choose an earlier "
                "as_of, a shorter horizon, or horizon_days=None for a table without label"
            )
        return moment


def simulate(
    customers: int = 20_000,
    months: int = 24,
    *,
    seed: int = 0,
    start: str = "2024-01-01",
    campaigns: bool = True,
) -> Simulation:
    """Simulate a business that sells a tool for teams by the seat and month.

    About 55% of the customers are there at the start and the others join evenly; one in four
    leaves within a year; a few come back. A hidden engagement (thriving, steady, fading)
    decides how much a customer uses the product, how likely surveys are answered, and how
    well; so use goes down in the months before a customer leaves. Past campaigns (every fourth
    month, none in the last six) chose actions by known propensities that depend on use, open
    tickets, revenue and contract; an action adds to the log-odds of leaving for three months,
    by how the customer responds.

    Planted, to be found again:

    - **a driver**: a sync problem (3-5% of customers a month run into one, and it lasts three
      months on average) multiplies the odds of leaving by five; it shows as a ticket that
      stays open.
    - **a theme**: customers with that problem write about ``sync`` in most of their texts,
      others in one of twenty-five.
    - **a segment**: ``Starter`` customers from the ``marketplace`` have three times the odds of
      leaving.

    The monthly hazard is logistic in the state, so the truth is exact; see `Truth`.

    Parameters
    ----------
    customers
        How many, 1 to 9,999,999.
    months
        How many calendar months, 6 or more.
    seed
        The same seed gives the same bytes.
    start
        First day of the first month.
    campaigns
        Whether there are any; without them no customer was ever treated.

    Returns
    -------
    Simulation
        Tables, truth and snapshots. Amounts are multiples of .25, times are UTC.

    Raises
    ------
    ChurnkitError
        If an argument is out of its range.

    Examples
    --------
    >>> business = simulate(customers=500, months=12, seed=3)
    >>> sorted(business.tables)
    ['customers', 'events', 'subscriptions', 'surveys', 'tickets', 'treatments']
    >>> business.truth.hazard.shape
    (500, 12)
    """
    from churnkit.datasets.simulation.ground_truth import Truth
    from churnkit.datasets.simulation.history import campaign_months, play
    from churnkit.datasets.simulation.population import draw_population
    from churnkit.datasets.simulation.tables import customer_names, make_tables

    first = _checked(customers, months, start)
    edges = (
        (first + np.arange(months + 1).astype("timedelta64[M]"))
        .astype("datetime64[us]")
        .astype(np.int64)
    )
    # One stream for each part: a change in one leaves the others' draws as they are.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)]
    population = draw_population(customers, edges, streams[0])
    opened = tuple(campaign_months(months)) if campaigns else ()
    history = play(population, edges, streams[1], campaigns=opened)
    names = customer_names(customers)
    return Simulation(
        tables=make_tables(names, population, history, streams[2]),
        truth=Truth.of(names, population, history),
        start=edges[0].astype("datetime64[us]"),
        end=edges[-1].astype("datetime64[us]"),
        seed=seed,
    )


def _checked(customers: int, months: int, start: str) -> np.datetime64:
    if not 1 <= customers <= _MOST_CUSTOMERS:
        raise ChurnkitError(f"customers is {customers}; choose 1 to {_MOST_CUSTOMERS:,}")
    if months < _FEWEST_MONTHS:
        raise ChurnkitError(f"months is {months}; choose {_FEWEST_MONTHS} or more")
    day = as_moment(start)
    month: np.datetime64 = day.astype("datetime64[M]")
    if month.astype("datetime64[us]") != day:
        raise ChurnkitError(f"start is {day}; choose the first day of a month")
    return month
