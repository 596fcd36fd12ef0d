"""Count contacts against contact limits, inside the transaction that writes them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import TYPE_CHECKING

from churnkit.journal.entry_keys import MICROSECONDS_A_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from churnkit.decisions.catalogue.contact_policy import ContactLimit

__all__ = ["ContactCounter"]


class ContactCounter:
    """Contacts of each customer, counted per limit.

    Parameters
    ----------
    limits
        Limits to check.
    contacts
        Customer, time in microseconds, action, group and channel of each earlier contact.

    Examples
    --------
    >>> from churnkit.decisions import ContactLimit
    >>> counter = ContactCounter([ContactLimit(1, days=1)], [("c1", 0, "call", None, "phone")])
    >>> counter.allows("c1", 5, "mail", None, "email")
    False

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
        """Count a contact."""
        for index, (limit, _) in enumerate(self._limits):
            if limit.counts(action, group, channel):
                insort(self._times[index].setdefault(customer, []), at)

    def allows(
        self, customer: str, at: int, action: str | None, group: str | None, channel: str | None
    ) -> bool:
        """Return True if a further contact keeps every time window within its limit."""
        for index, (limit, length) in enumerate(self._limits):
            if not limit.counts(action, group, channel):
                continue
            times = self._times[index].get(customer, [])
            near = times[bisect_right(times, at - length) : bisect_left(times, at + length)]
            if _max_in_window(sorted([*near, at]), length) > limit.most:
                return False
        return True


def _max_in_window(times: list[int], length: int) -> int:
    """Return the largest number of ascending times in a half-open window of this length."""
    return max(bisect_left(times, start + length) - index for index, start in enumerate(times))
