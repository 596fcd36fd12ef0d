"""A plan for more customers than fit in memory, by closing in on the prices.

A sample gives rough prices. Around them stands a box: nearly every customer has the same best
action all over it and is settled, by a few sums; a sample of the others gives better prices and
a smaller box, until all that are not settled fit in memory. Those are planned exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np

from churnkit.decisions.allocation.allocate import allocate
from churnkit.decisions.allocation.dual import scales, search, snap, solve
from churnkit.decisions.allocation.exact_sum import exact_sum, rounded
from churnkit.decisions.allocation.primal import improve, settle
from churnkit.decisions.allocation.streaming_passes import Look, Survey, best_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.decisions.allocation.dual import Floats, Ints, Problem
    from churnkit.decisions.allocation.streaming_passes import Keys, Limits, Looked, Rows, Surveyed

__all__ = ["Ask", "Verdict", "close_in"]

_EVERY = 2**64 - 1
# The most passes that look for prices. Each makes the box several times smaller.
_ROUNDS = 24
_SMALLER = 16.0
_WIDER = 4.0
# A box reaches four standard errors of its sample to either side.
_ERRORS = 4.0
_LOOSE = 1e-5
# Room for the rounding of the sum that a bound is, as a share of what is summed.
_ROOM = 1e-12
# Steps of a retreat, each four times as long as the one before: the last is beyond all money.
_RETREATS = 60


class Ask(Protocol):
    """One pass over all customers: asks a question of every part and joins the answers."""

    @overload
    def __call__(self, question: Survey) -> Surveyed: ...
    @overload
    def __call__(self, question: Look) -> Looked: ...


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """Who gets what, in a form that any part of the customers can apply on its own.

    Parameters
    ----------
    limits
        As they were asked for.
    prices
        (1 + k,) the shadow prices.
    centre, radius
        (1 + k,) the box all over which most are settled. No centre: nothing binds, and everyone
        gets the best. No radius: nobody is settled.
    keys, action
        (w,) those who are not settled, by rising key, and their actions, -1 for none.
    given
        (m,) customers of each action.
    rows, spent, value, bound
        How many customers there are; cost, gain, and the most that any plan could gain, money.
    """

    limits: Limits
    prices: Floats
    centre: Floats | None
    radius: Floats | None
    keys: Keys
    action: Ints
    given: Ints
    rows: int
    spent: float
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """The most that a better plan could add, as a share of `bound`; 0 is proven best."""
        if not math.isfinite(self.bound):
            # Money beyond all numbers: nothing is proven.
            return 1.0
        return max(0.0, self.bound - self.value) / self.bound if self.bound > 0.0 else 0.0

    def apply(self, given: Rows) -> Ints:
        """Give (n,) the action of some of the customers, -1 for none."""
        rows = self.limits.open(given)
        action = np.full(rows.keys.shape[0], -1, dtype=np.int64)
        some = np.flatnonzero((rows.gain > -np.inf).any(axis=1))
        action[some] = self._chosen(rows.take(some))
        return action

    def _chosen(self, rows: Rows) -> Ints:
        if self.centre is None:
            return best_of(rows.gain)
        if self.radius is None:
            return self._of_those_who_wait(rows.keys)
        firm, choice = self.limits.problem(rows).firm(self.centre, self.radius)
        chosen: Ints = np.where(firm, choice.astype(np.int64), -1)
        waits = np.flatnonzero(~firm)
        chosen[waits] = self._of_those_who_wait(rows.keys[waits])
        return chosen

    def _of_those_who_wait(self, keys: Keys) -> Ints:
        action = np.full(keys.shape[0], -1, dtype=np.int64)
        place = np.searchsorted(self.keys, keys)
        known = np.flatnonzero(place < self.keys.shape[0])
        known = known[self.keys[place[known]] == keys[known]]
        action[known] = self.action[place[known]]
        return action


def close_in(ask: Ask, limits: Limits, *, sample: int, below: int = _EVERY) -> Verdict:
    """Find a plan within all limits, by passes that return sums and samples.

    Parameters
    ----------
    sample
        The most customers that are held in memory at once.
    below
        Keys above this one stay out of the first sample: where the number of customers is known,
        fewer need to be sent.
    """
    survey = ask(Survey(limits, sample, below))
    live = _binding(limits, survey)
    if _fits(live, survey.wished, survey.spent):
        return _everyone(limits, survey)
    rows = survey.sample.in_order()
    if rows.keys.shape[0] == survey.offered:
        return _all_at_once(limits, live, survey, rows)
    return _Search(ask, limits, live, sample, survey).run(rows)


def _binding(limits: Limits, survey: Surveyed) -> Limits:
    """Drop the limits that cannot bind."""
    most = limits.most.copy()
    if math.isfinite(most[0]) and survey.dearest <= exact_sum(most[:1]):
        most[0] = np.inf
    most[1:][survey.possible <= most[1:]] = np.inf
    return replace(limits, most=most)


def _fits(limits: Limits, given: Ints, spent: int) -> bool:
    budget = limits.most[:1]
    paid = not math.isfinite(budget[0]) or spent <= exact_sum(budget)
    return paid and bool((limits.uses @ given <= limits.most[1:]).all())


def _everyone(limits: Limits, survey: Surveyed) -> Verdict:
    value = rounded(survey.value)
    return Verdict(
        limits,
        prices=np.zeros(limits.most.shape[0]),
        centre=None,
        radius=None,
        keys=np.zeros(0, dtype=np.uint64),
        action=np.zeros(0, dtype=np.int64),
        given=survey.wished,
        rows=survey.rows,
        spent=rounded(survey.spent),
        value=value,
        bound=value,
    )


def _all_at_once(limits: Limits, live: Limits, survey: Surveyed, rows: Rows) -> Verdict:
    """Plan all in memory: it is the plan of `allocate`."""
    actions = rows.gain.shape[1]
    shared = [
        (most, np.flatnonzero(uses).tolist())
        for most, uses in zip(live.most[1 + actions :], live.uses[actions:], strict=True)
    ]
    plan = allocate(
        rows.gain,
        rows.cost,
        budget=None if np.isinf(live.most[0]) else float(live.most[0]),
        capacity=live.most[1 : 1 + actions],
        shared=shared,
    )
    shadow = plan.shadow_prices
    action = plan.action.copy()
    spent, value = _kept(rows, action, 0, live.most[0])
    return Verdict(
        limits,
        prices=np.concatenate([[shadow.budget], shadow.capacity, shadow.shared]),
        centre=np.zeros(limits.most.shape[0]),
        radius=None,
        keys=rows.keys,
        action=action,
        given=_count(action, actions),
        rows=survey.rows,
        spent=rounded(spent),
        value=rounded(value),
        bound=max(plan.bound, rounded(value)),
    )


class _Search:
    """The passes after the first, until the plan is found."""

    def __init__(
        self, ask: Ask, limits: Limits, live: Limits, sample: int, survey: Surveyed
    ) -> None:
        self._ask, self._limits, self._live = ask, limits, live
        self._sample, self._survey = sample, survey
        self._binds = np.isfinite(live.most)
        self._bound = math.inf

    # Prices of money beyond all numbers overflow: a plan keeps its limits all the same, which
    # exact sums see to, and its gap says that nothing is proven.
    @np.errstate(divide="ignore", invalid="ignore", over="ignore")
    def run(self, rows: Rows) -> Verdict:
        """Find the plan, from the first sample."""
        taken = rows.keys.shape[0]
        rough = self._live.problem(rows, self._live.most * (taken / self._survey.offered))
        self._scale = np.where(self._binds, scales(rough), 0.0)
        prices = solve(rough)
        radius = _ERRORS / math.sqrt(taken) * self._scale
        share = 1.0 - float(rough.firm(prices, radius)[0].mean())
        for _ in range(_ROUNDS):
            look, seen = self._look(prices, radius, share * self._survey.offered)
            rest = self._rest(seen)
            waiting = seen.sample.in_order()
            held = waiting.keys.shape[0]
            if held == 0:
                if (rest >= 0.0).all():
                    return self._settled(look, seen, prices, waiting)
                break
            weight = seen.waiting / held
            near = self._live.problem(waiting, rest / weight, rounded(seen.raised) / weight)
            found = search(
                near, prices, radius, self._binds, (prices, 3.0 * radius), step=0.3, tolerance=1e-4
            )
            if held == seen.waiting:
                found = snap(near, found, self._scale)
            inside = bool((np.abs(found - prices) <= radius).all())
            if inside and held == seen.waiting and (rest >= 0.0).all():
                self._prove(near.weigh(found)[0])
                return self._settled(look, seen, found, waiting)
            share = seen.waiting / self._survey.offered
            if inside and held < seen.waiting:
                fine = _ERRORS / math.sqrt(held) * share * self._scale
                radius = np.minimum(radius / _SMALLER, fine)
                share *= float((~near.firm(found, radius)[0]).mean())
            else:
                radius *= _WIDER
                share = min(1.0, _WIDER * share)
            prices = found
        return self._retreat(prices)

    def _look(self, prices: Floats, radius: Floats, expected: float) -> tuple[Look, Looked]:
        """Ask who waits; of more than can be held, only about twice as many are sent."""
        few = 2.0 * self._sample / max(expected, 1.0)
        below = _EVERY if few >= 1.0 else int(few * _EVERY)
        look = Look(self._live, prices, radius, self._sample, below)
        seen = self._ask(look)
        used = np.concatenate([[rounded(seen.spent)], self._live.uses @ seen.given])
        paid = float((prices * np.where(self._binds, self._live.most - used, 0.0)).sum())
        self._prove(rounded(seen.raised), rounded(seen.best), paid)
        return look, seen

    def _prove(self, *parts: float) -> None:
        """Take note that no plan is worth more than a sum."""
        bound = sum(parts) + _ROOM * sum(map(abs, parts))
        if math.isfinite(bound):
            self._bound = min(self._bound, bound)

    def _rest(self, seen: Looked) -> Floats:
        """Give what the settled leave of each limit."""
        rest = self._live.most.copy()
        if math.isfinite(rest[0]):
            rest[0] = rounded(exact_sum(rest[:1]) - seen.spent)
        rest[1:] -= self._live.uses @ seen.given
        return rest

    def _settled(self, look: Look, seen: Looked, prices: Floats, waiting: Rows) -> Verdict:
        action = np.zeros(0, dtype=np.int64)
        if waiting.keys.shape[0]:
            action = _planned(self._live.problem(waiting, self._rest(seen)), prices)
        spent, value = _kept(waiting, action, seen.spent, self._live.most[0])
        worth = rounded(seen.value + value)
        return Verdict(
            self._limits,
            prices=prices,
            centre=look.prices,
            radius=look.radius,
            keys=waiting.keys,
            action=action,
            given=seen.given + _count(action, seen.given.shape[0]),
            rows=self._survey.rows,
            spent=rounded(seen.spent + spent),
            value=worth,
            bound=max(worth, self._bound),
        )

    def _retreat(self, prices: Floats) -> Verdict:
        """Raise the prices of what is overdrawn until the settled alone keep all limits."""
        nowhere = np.zeros(prices.shape[0])
        nobody = self._survey.sample.rows.take(slice(0, 0))
        step = 1e-6
        for _ in range(_RETREATS):
            look, seen = self._look(prices, nowhere, 1.0)
            over = self._rest(seen) < 0.0
            if not over.any():
                return self._settled(look, seen, prices, nobody)
            prices = np.where(over, prices * (1.0 + step) + step * self._scale, prices)
            step *= 4.0
        return self._nothing(prices)

    def _nothing(self, prices: Floats) -> Verdict:
        """Give nobody anything, which is within all limits."""
        return replace(
            _everyone(self._limits, self._survey),
            prices=prices,
            centre=np.zeros(prices.shape[0]),
            given=np.zeros_like(self._survey.wished),
            spent=0.0,
            value=0.0,
            bound=self._bound,
        )


def _planned(problem: Problem, prices: Floats) -> Ints:
    bound = problem.weigh(prices)[0]
    action = settle(problem, prices, bound)
    if bound - problem.value(action) > _LOOSE * bound:
        action = improve(problem, prices, action)
    return action


def _kept(rows: Rows, action: Ints, before: int, budget: float) -> tuple[int, int]:
    """Take back the least gain while rounding lifts the cost above the budget; give the sums.

    `action` is changed in place.
    """
    twins = rows.keys[1:] == rows.keys[:-1]
    # Of two who cannot be told apart by their keys neither gets anything.
    action[1:][twins] = action[:-1][twins] = -1
    while True:
        taken = np.flatnonzero(action >= 0)
        cost, gain = rows.cost[taken, action[taken]], rows.gain[taken, action[taken]]
        spent = exact_sum(cost)
        if not math.isfinite(budget) or before + spent <= exact_sum(np.array([budget])):
            return spent, exact_sum(gain)
        paid = np.flatnonzero(cost > 0.0)
        action[taken[paid[np.argmin(gain[paid])]]] = -1


def _count(action: NDArray[np.int64], actions: int) -> Ints:
    found: Ints = np.bincount(action[action >= 0], minlength=actions).astype(np.int64)
    return found
