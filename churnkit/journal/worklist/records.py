"""Rows of the worklist, and the error of a concurrent change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime

from churnkit.core.translation import _, active_locale, format_day
from churnkit.errors import JournalError

__all__ = [
    "Change", "CustomerState", "Delivery", "Task", "Verdict", "VersionConflictError", "clean_text",
    "parse_day",
]  # fmt: skip

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class VersionConflictError(JournalError):
    """Someone else has changed the row since it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class CustomerState:
    """Owner and snooze of a customer.

    Parameters
    ----------
    customer
        Customer id.
    owner
        Name of the person in charge; empty for none.
    snoozed_until
        Day on which the customer returns to the list; None if not snoozed.
    version
        Number of the latest change; 0 for a customer without changes.
    changed_by
        Person of the latest change.
    is_assigned
        Whether the owner was ever set, or taken away; another change, such as a snooze, leaves the
        owner that a table gives.
    """

    customer: str
    owner: str = ""
    snoozed_until: date | None = None
    version: int = 0
    changed_by: str = ""
    is_assigned: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A task for a customer.

    Parameters
    ----------
    key, customer
        Id of the task, and of its customer.
    title, note
        What to do, and details.
    owner
        Person in charge; empty for none.
    due
        Day; None without one.
    status
        ``"open"``, ``"done"``, or ``"skipped"``: a step of a playbook that is not needed.
    version
        Number of changes, for detecting concurrent ones.
    changed_by
        Person of the latest change.
    """

    key: str
    customer: str
    title: str
    note: str
    owner: str
    due: date | None
    status: str
    version: int
    changed_by: str


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the change log.

    Parameters
    ----------
    customer, at, by
        Customer, time and person.
    field
        ``"owner"``, ``"snoozed_until"``, ``"note"``, ``"task"``, or ``"team"``, which has no
        customer.
    before, after
        Values as text; None for none.
    """

    customer: str
    at: datetime
    by: str
    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Latest verdict of a person on a customer's action: approve, reject or snooze."""

    customer: str
    verdict: str
    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A push of a customer's action: destination, state in the outbox, and its time."""

    destination: str
    state: str
    at: datetime


def clean_text(text: str, *, name: str, most: int, required: bool = False) -> str:
    r"""Strip a text and its control characters; refuse one that is too long.

    Parameters
    ----------
    text
        The text.
    name
        Label of the field, for messages; in English.
    most
        Maximum number of characters.
    required
        Whether an empty text is refused.

    Returns
    -------
    str
        The text without control characters, those of text direction included.

    Raises
    ------
    JournalError
        If the text is too long, or empty but required.

    Examples
    --------
    >>> clean_text(" call\x00 back ", name="Note", most=20)
    'call back'
    """
    cleaned = _CONTROL.sub("", text).strip()
    if len(cleaned) > most:
        raise JournalError(
            _(
                "“{name}” must have at most {most:,} characters, got {count:,}",
                name=_(name),
                most=most,
                count=len(cleaned),
            )
        )
    if required and not cleaned:
        raise JournalError(_("“{name}” is required", name=_(name)))
    return cleaned


def parse_day(text: str, *, name: str) -> date | None:
    """Parse a day in ISO 8601 or as the active locale writes it; None for an empty text.

    Parameters
    ----------
    text
        The text.
    name
        As for `clean_text`.

    Raises
    ------
    JournalError
        If the text has another form.

    Examples
    --------
    >>> parse_day("2026-12-07", name="Due")
    datetime.date(2026, 12, 7)
    """
    if not text.strip():
        return None
    try:
        return _read_day(text.strip())
    except ValueError:
        raise JournalError(
            _("“{name}” must be a date in the form YYYY-MM-DD", name=_(name))
        ) from None


def _read_day(typed: str) -> date:
    """Return a date in ISO 8601 or in the form of the active locale.

    Examples
    --------
    >>> from churnkit.core.translation import use_locale
    >>> with use_locale("de"):
    ...     _read_day("7.12.2026")
    datetime.date(2026, 12, 7)
    """
    cldr = active_locale().cldr
    try:
        return date.fromisoformat(typed)
    except ValueError:
        if cldr is None:
            raise
    from babel.dates import parse_date

    try:
        day: date = parse_date(typed, locale=cldr)
    except IndexError:
        raise ValueError(typed) from None
    # Babel reads the numbers of a text and skips the rest.
    if _split_numbers(typed) != _split_numbers(format_day(day)):
        raise ValueError(typed)
    return day


def _split_numbers(text: str) -> list[int | str]:
    """Return the numbers of a text and what is between them; leading zeros do not count."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", text)]
