"""Contact limits at the moment of writing: counted inside the writers' transaction."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING, Any

from churnkit.journal.entry_keys import MICROSECONDS_A_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from churnkit.decisions.catalogue.contact_policy import ContactLimit

__all__ = ["Counter"]


class Counter:
    """How many actions each customer has had, per limit.

    Parameters
    ----------
    limits
        What is counted.
    contacts
        Customer, time in microseconds, action, group and channel of each contact so far.

    Examples
    --------
    >>> from churnkit.decisions import ContactLimit
    >>> counter = Counter([ContactLimit(1, days=1)], [("c1", 0, "call", None, "phone")])
    >>> counter.room("c1", 5, "mail", None, "email"), counter.room("c2", 5, "mail", None, "email")
    (False, True)

    """

    def __init__(
        self,
        limits: Sequence[ContactLimit],
        contacts: Iterable[tuple[str, int, str | None, str | None, str | None]],
    ) -> None:
        self._limits = [(limit, round(limit.days * MICROSECONDS_A_DAY)) for limit in limits]
        self._times: list[dict[str, list[int]]] = [{} for _ in limits]
        for contact in contacts:
            self.add(*contact)

    def add(
        self, customer: str, at: int, action: str | None, group: str | None, channel: str | None
    ) -> None:
        """Count one more contact."""
        for place, (limit, _) in enumerate(self._limits):
            if limit.counts(action, group, channel):
                insort(self._times[place].setdefault(customer, []), at)

    def room(
        self, customer: str, at: int, action: str | None, group: str | None, channel: str | None
    ) -> bool:
        """Tell whether one more contact keeps every stretch of time within its limit."""
        for place, (limit, length) in enumerate(self._limits):
            if not limit.counts(action, group, channel):
                continue
            times = self._times[place].get(customer, [])
            near = [
                *times[bisect_right(times, at - length) : bisect_left(times, at + length)],
                at,
            ]
            if _most_within(sorted(near), length) > limit.most:
                return False
        return True


def _most_within(times: list[int], length: Any) -> int:
    """Give the most of some ascending times that lie in a half-open stretch of this length."""
    return max(bisect_left(times, start + length) - place for place, start in enumerate(times))
