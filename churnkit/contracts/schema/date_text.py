"""Describe the days between a date and the as-of date."""

from __future__ import annotations

from churnkit.core.number_format import format_number
from churnkit.core.translation import _, ngettext

__all__ = ["describe_days", "describe_days_between"]


def describe_days(days: float) -> str:
    """Format days before the as-of date, negative if after it.

    Examples
    --------
    >>> describe_days(400.0), describe_days(1.0), describe_days(-30.0)
    ('400 days ago', '1 day ago', 'in 30 days')
    """
    text, number = format_number(abs(days)), 1 if abs(days) == 1.0 else 2
    if days < 0:
        return ngettext("in {days} day", "in {days} days", number, days=text)
    return ngettext("{days} day ago", "{days} days ago", number, days=text)


def describe_days_between(low: float | None, high: float | None) -> str:
    """Format the days from `low` to below `high`; None is no bound.

    Examples
    --------
    >>> describe_days_between(30.0, 90.0), describe_days_between(-60.0, -30.0)
    ('30 to less than 90 days ago', 'in more than 30 to 60 days')
    >>> describe_days_between(-60.0, 90.0), describe_days_between(None, 90.0)
    ('in 60 days to less than 90 days ago', 'less than 90 days ago')
    >>> describe_days_between(None, -30.0), describe_days_between(-30.0, None)
    ('in more than 30 days', 'in 30 days or earlier')
    """
    if low is None:
        return _before(high)
    if high is None:
        days = describe_days(low)
        return (
            _("{amount} or earlier", amount=days)
            if low < 0.0
            else _("at least {amount}", amount=days)
        )
    if high <= 0.0:
        return _(
            "in more than {low} to {high} days", low=format_number(-high), high=format_number(-low)
        )
    first = describe_days(low) if low < 0.0 else format_number(low)
    return _("{low} to less than {high}", low=first, high=describe_days(high))


def _before(high: float | None) -> str:
    if high is None:
        return _("any")
    if high <= 0.0:
        return ngettext(
            "in more than {days} day",
            "in more than {days} days",
            1 if high == -1.0 else 2,
            days=format_number(-high),
        )
    return _("less than {amount}", amount=describe_days(high))
