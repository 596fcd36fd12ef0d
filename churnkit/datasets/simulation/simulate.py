"""Simulate a subscription business with known ground truth."""

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

_MIN_MONTHS = 6
_MAX_CUSTOMERS = 9_999_999


@dataclass(frozen=True, slots=True)
class Simulation:
    """Tables of a simulated company, and their ground truth.

    Parameters
    ----------
    tables
        ``customers, subscriptions, events, tickets, surveys, treatments``, as
        ``pyarrow.Table``.
    truth
        Exact hazards, values and effects.
    start, end
        Simulated period, `[start, end)`, UTC.
    seed
        Seed of the simulation.
    """

    tables: Mapping[str, pa.Table] = field(repr=False)
    truth: Truth = field(repr=False)
    start: np.datetime64
    end: np.datetime64
    seed: int

    def snapshot(
        self, as_of: str | datetime | np.datetime64 | None = None, *, horizon_days: int | None = 90
    ) -> pa.Table:
        """Return one row of features for each customer at `as_of`.

        Features use rows that occurred and were available before `as_of`; the label ``churned``
        is true for churn within `[as_of, as_of + horizon_days)`.

        Parameters
        ----------
        as_of
            A time, UTC. Default: the start of the last month whose outcome window ends within
            the simulation.
        horizon_days
            Days of the outcome window; None for a table without label.

        Returns
        -------
        pyarrow.Table
            Columns of the schema ``schemas/demo.py``.

        Raises
        ------
        ChurnkitError
            If `as_of` or the outcome window is outside the simulated period.

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
        """Return the ground truth for the customers of `snapshot`, in the same order.

        Parameters
        ----------
        as_of, horizon_days
            As in `snapshot`.

        Returns
        -------
        pyarrow.Table
            Columns ``customer_id``; ``churn_probability`` within the horizon without further
            actions; ``group``; ``effect_call, effect_discount, effect_training`` on that
            probability; ``remaining_value``: expected revenue of the next 24 months.
        """
        import pyarrow as pa

        moment = self._moment(as_of, None if as_of is not None else horizon_days)
        truth = self.truth
        active = truth.active(moment)
        effect = truth.effect(moment, horizon_days=horizon_days)[active]
        probability = truth.churn_probability(moment, horizon_days=horizon_days)[active]
        columns: dict[str, Any] = {
            "customer_id": pa.array(truth.customer_id[active].tolist()),
            "churn_probability": pa.array(probability),
            "group": pa.array(truth.group[active].tolist()),
        }
        for position, action in enumerate(truth.actions[1:]):
            columns[f"effect_{action}"] = pa.array(effect[:, position])
        columns["remaining_value"] = pa.array(truth.remaining_value(moment)[active])
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
                f"as_of {moment} is outside the simulated period, after {self.start} up to "
                f"{self.end}"
            )
        if moment + horizon > self.end:
            raise ChurnkitError(
                f"the outcome window of {horizon_days} days from {moment} ends after the "
                f"simulated period, {self.end}: choose an earlier as_of, a shorter horizon, or "
                "horizon_days=None for a table without label"
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
    """Simulate a business that sells a tool for teams, priced per seat and month.

    About 55% of customers are active at the start and the others join uniformly; one in four
    churns within a year; a few return. A hidden engagement state (thriving, steady, fading)
    determines usage, survey response rates and scores, so usage falls in the months before
    churn. Campaigns (every fourth month, none in the last six) chose actions by known
    propensities that depend on usage, open tickets, revenue and contract. An action changes the
    log-odds of churn for three months, depending on the customer's response group.

    Planted effects:

    - **a driver**: a sync problem (3-5% of customers per month, lasting three months on average)
      multiplies the odds of churn by five; it shows as a ticket that stays open.
    - **a topic**: customers with that problem write about ``sync`` in most of their texts,
      others in one of twenty-five.
    - **a segment**: ``Starter`` customers from the ``marketplace`` have three times the odds of
      churn.

    The monthly hazard is logistic in the state, so the ground truth is exact; see `Truth`.

    Parameters
    ----------
    customers
        Number of customers, 1 to 9,999,999.
    months
        Number of calendar months, at least 6.
    seed
        Seed; the same seed gives the same bytes.
    start
        First day of the first month.
    campaigns
        False for a history without treatments.

    Returns
    -------
    Simulation
        Tables, ground truth and snapshots. Amounts are multiples of 0.25, times are UTC.

    Raises
    ------
    ChurnkitError
        If an argument is out of range.

    Examples
    --------
    >>> business = simulate(customers=500, months=12, seed=3)
    >>> sorted(business.tables)
    ['customers', 'events', 'subscriptions', 'surveys', 'tickets', 'treatments']
    >>> business.truth.hazard.shape
    (500, 12)
    """
    from churnkit.datasets.simulation.ground_truth import Truth
    from churnkit.datasets.simulation.history import campaign_months, simulate_history
    from churnkit.datasets.simulation.population import draw_population
    from churnkit.datasets.simulation.tables import build_tables, customer_ids

    first = _first_month(customers, months, start)
    edges = (
        (first + np.arange(months + 1).astype("timedelta64[M]"))
        .astype("datetime64[us]")
        .astype(np.int64)
    )
    # Separate streams, so that a change in one part keeps the draws of the others.
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)]
    population = draw_population(customers, edges, streams[0])
    campaign = tuple(campaign_months(months)) if campaigns else ()
    history = simulate_history(population, edges, streams[1], campaigns=campaign)
    ids = customer_ids(customers)
    return Simulation(
        tables=build_tables(ids, population, history, streams[2]),
        truth=Truth.of(ids, population, history),
        start=edges[0].astype("datetime64[us]"),
        end=edges[-1].astype("datetime64[us]"),
        seed=seed,
    )


def _first_month(customers: int, months: int, start: str) -> np.datetime64:
    if not 1 <= customers <= _MAX_CUSTOMERS:
        raise ChurnkitError(f"customers must be 1 to {_MAX_CUSTOMERS:,}, got {customers}")
    if months < _MIN_MONTHS:
        raise ChurnkitError(f"months must be at least {_MIN_MONTHS}, got {months}")
    day = as_moment(start)
    month: np.datetime64 = day.astype("datetime64[M]")
    if month.astype("datetime64[us]") != day:
        raise ChurnkitError(f"start must be the first day of a month, got {day}")
    return month
