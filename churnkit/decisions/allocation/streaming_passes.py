"""What one pass over the customers finds out, from parts in any order.

A part of the customers answers a question with sums and a small sample. Sums are whole numbers,
and the sample is of the rows with the smallest keys, so that the answer is the same however the
customers were split.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.decisions.allocation.dual import Problem
from churnkit.decisions.allocation.exact_sum import exact_sum

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.allocation.dual import Floats, Ints

    Keys = NDArray[np.uint64]

__all__ = [
    "Limits",
    "Look",
    "Looked",
    "Rows",
    "Sample",
    "Survey",
    "Surveyed",
    "best_of",
    "mixed",
    "raised",
]

# What breaks ties raises a gain by a share smaller than this: next to nothing.
_SHARE = 2.0**-20
_EVERY = 2**64 - 1
# Rows that are weighed at once, and answers that are put together at once.
_BLOCK = 65_536
_HELD = 4


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Some customers, in any order.

    Parameters
    ----------
    keys
        (n,) a number of its own for each customer, as if drawn at random.
    gain
        (n, m) money; only what is above zero can be given.
    cost
        (n, m) money.
    """

    keys: Keys
    gain: Floats
    cost: Floats

    def take(self, rows: Any) -> Rows:
        """Give some of the rows."""
        return Rows(self.keys[rows], self.gain[rows], self.cost[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """The budget and the counts that a plan must keep.

    Parameters
    ----------
    most
        (1 + k,) the budget, then customers; ``inf`` where there is no limit.
    uses
        (k, m) 1 where a limit counts an action, else 0.
    shut
        (m,) actions that have no room at all.
    dearest
        What a single action may cost.
    """

    most: Floats
    uses: Floats
    shut: NDArray[np.bool_]
    dearest: float

    @classmethod
    def of(cls, most: Floats, uses: Floats) -> Limits:
        """Give the limits, and what they rule out by themselves."""
        shut: NDArray[np.bool_] = np.any((uses > 0.0) & (most[1:, None] < 1.0), axis=0)
        return cls(most, uses, shut, float(most[0]))

    def open(self, rows: Rows) -> Rows:
        """Close what cannot be given at all: its gain is ``-inf`` and its cost is 0."""
        given = (rows.gain > 0.0) & (rows.cost <= self.dearest) & (rows.cost < np.inf)
        given &= ~self.shut
        gain, cost = np.where(given, rows.gain, -np.inf), np.where(given, rows.cost, 0.0)
        return Rows(rows.keys, gain, cost)

    def problem(self, rows: Rows, most: Floats | None = None, base: float = 0.0) -> Problem:
        """Lay rows out for the solver, with their ties broken."""
        return Problem(
            np.ascontiguousarray(raised(rows).T),
            tuple(np.ascontiguousarray(rows.cost.T)),
            self.most if most is None else most,
            self.uses,
            base,
        )


def mixed(numbers: Keys) -> Keys:
    """Mix whole numbers, each to another: keys for places in a table.

    Examples
    --------
    >>> len(set(mixed(np.arange(1000, dtype=np.uint64)).tolist()))
    1000
    """
    # The finaliser of SplitMix64; no two numbers become one.
    out = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    out ^= out >> np.uint64(30)
    out *= np.uint64(0xBF58476D1CE4E5B9)
    out ^= out >> np.uint64(27)
    out *= np.uint64(0x94D049BB133111EB)
    out ^= out >> np.uint64(31)
    return out


def raised(rows: Rows) -> Floats:
    """Give (n, m) the gains, each raised by a share that no other has, so that nobody ties."""
    odd = np.arange(1, 2 * rows.gain.shape[1], 2, dtype=np.uint64)
    # Multiples of a random number, modulo one: their differences are random as well.
    lot = ((rows.keys[:, None] * odd) >> np.uint64(11)).astype(np.float64)
    top = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        return np.minimum(rows.gain * (1.0 + lot * (_SHARE * 2.0**-53)), top)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The rows with the smallest keys."""

    rows: Rows

    @classmethod
    def of(cls, rows: Rows, most: int, below: int = _EVERY) -> Sample:
        """Take at most `most` rows, those with the smallest keys, and none above `below`."""
        if below < _EVERY:
            rows = rows.take(rows.keys <= np.uint64(below))
        if rows.keys.shape[0] > most:
            rows = rows.take(np.argpartition(rows.keys, most - 1)[:most])
        return cls(rows)

    @classmethod
    def join(cls, parts: Sequence[Sample], most: int) -> Sample:
        """Take the smallest keys of several samples."""
        rows = [part.rows for part in parts]
        return cls.of(
            Rows(
                np.concatenate([part.keys for part in rows]),
                np.concatenate([part.gain for part in rows]),
                np.concatenate([part.cost for part in rows]),
            ),
            most,
        )

    def in_order(self) -> Rows:
        """Give the rows by key: a random order that does not depend on parts."""
        return self.rows.take(np.argsort(self.rows.keys, kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class Surveyed:
    """What there is, before any price is known."""

    rows: int
    offered: int
    """Customers who can be given anything at all."""
    possible: Ints
    """(k,) customers of those who can use each limit that counts."""
    dearest: int
    """The exact sum of each customer's dearest action."""
    wished: Ints
    """(m,) customers of each action if everyone got the best."""
    spent: int
    """What that would cost, exactly."""
    value: int
    """What that would gain, exactly."""
    sample: Sample


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Ask what there is."""

    limits: Limits
    sample: int
    below: int = _EVERY

    def ask(self, given: Rows) -> Surveyed:
        """Answer for some customers."""
        rows = self.limits.open(given)
        some = np.flatnonzero((rows.gain > -np.inf).any(axis=1))
        rows = rows.take(some)
        there = rows.gain > -np.inf
        best = best_of(rows.gain)
        place = np.arange(some.shape[0])
        return Surveyed(
            rows=given.keys.shape[0],
            offered=some.shape[0],
            possible=np.array(
                [int(there[:, row > 0.0].any(axis=1).sum()) for row in self.limits.uses],
                dtype=np.int64,
            ),
            dearest=exact_sum(rows.cost.max(axis=1, initial=0.0)),
            wished=_counts(best, rows.gain.shape[1]),
            spent=exact_sum(rows.cost[place, best]) if some.size else 0,
            value=exact_sum(rows.gain[place, best]) if some.size else 0,
            sample=Sample.of(rows, self.sample, self.below),
        )

    def join(self, parts: Sequence[Surveyed]) -> Surveyed:
        """Put the answers of several parts together."""
        return Surveyed(
            rows=sum(p.rows for p in parts),
            offered=sum(p.offered for p in parts),
            possible=np.sum([p.possible for p in parts], axis=0),
            dearest=sum(p.dearest for p in parts),
            wished=np.sum([p.wished for p in parts], axis=0),
            spent=sum(p.spent for p in parts),
            value=sum(p.value for p in parts),
            sample=Sample.join([p.sample for p in parts], self.sample),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What is settled all over a box of prices, and who waits."""

    given: Ints
    """(m,) customers whose action is settled."""
    spent: int
    """What they cost, exactly."""
    value: int
    """What they gain, exactly."""
    raised: int
    """The same of the gains with their ties broken."""
    waiting: int
    """Customers whose action is not settled."""
    best: int
    """The exact sum of what they would gain at the box's centre, less the price of what they use."""
    sample: Sample
    """Some of those who wait; all, if there are no more than the sample holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Ask who is settled all over a box of prices."""

    limits: Limits
    prices: Floats
    radius: Floats
    sample: int
    below: int = _EVERY

    def ask(self, given: Rows) -> Looked:
        """Answer for some customers."""
        rows = self.limits.open(given)
        rows = rows.take((rows.gain > -np.inf).any(axis=1))
        problem = self.limits.problem(rows)
        firm, choice = problem.firm(self.prices, self.radius)
        taken = np.flatnonzero(firm & (choice >= 0))
        action = choice[taken].astype(np.int64)
        waits = np.flatnonzero(~firm)
        reduced = problem.reduced(self.prices, waits)
        return Looked(
            given=_counts(action, rows.gain.shape[1]),
            spent=exact_sum(rows.cost[taken, action]),
            value=exact_sum(rows.gain[taken, action]),
            raised=exact_sum(problem.gain[action, taken]),
            waiting=waits.shape[0],
            best=exact_sum(reduced.max(axis=0, initial=0.0)),
            sample=Sample.of(rows.take(waits), self.sample, self.below),
        )

    def join(self, parts: Sequence[Looked]) -> Looked:
        """Put the answers of several parts together."""
        return Looked(
            given=np.sum([p.given for p in parts], axis=0),
            spent=sum(p.spent for p in parts),
            value=sum(p.value for p in parts),
            raised=sum(p.raised for p in parts),
            waiting=sum(p.waiting for p in parts),
            best=sum(p.best for p in parts),
            sample=Sample.join([p.sample for p in parts], self.sample),
        )


def gather(question: Any, parts: Iterable[Rows]) -> Any:
    """Ask a question of each part, a few thousand rows at once; None where there is no part."""
    held: list[Any] = []
    for rows in parts:
        for start in range(0, rows.keys.shape[0], _BLOCK):
            held.append(question.ask(rows.take(slice(start, start + _BLOCK))))
            if len(held) == _HELD:
                held = [question.join(held)]
    return question.join(held) if held else None


def best_of(gain: Floats) -> Ints:
    """Give (n,) the first of the highest gains."""
    if gain.shape[0] == 0:
        return np.zeros(0, dtype=np.int64)
    found: Ints = np.argmax(gain, axis=1)
    return found


def _counts(action: Ints, actions: int) -> Ints:
    found: Ints = np.bincount(action, minlength=actions).astype(np.int64)
    return found
