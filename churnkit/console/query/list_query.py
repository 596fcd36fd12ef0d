"""The query of a customer list, as parameters of its address."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from churnkit.console.query.number_fields import parse_plain, read_typed
from churnkit.core.number_format import exact_digits
from churnkit.core.translation import _, localize_number, mark_text
from churnkit.decisions.response import RESPONSES
from churnkit.errors import ChurnkitError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["ALL", "CONTACT_AGES", "RANGES", "SORTS", "STATUSES", "ListQuery", "check_choice"]

ALL: Final = "*"
STATUSES: Final = ("open", "approve", "reject", "snooze")
SORTS: Final = {
    "at_risk": mark_text("At-risk revenue"),
    "risk": mark_text("Churn risk"),
    "value": mark_text("Revenue"),
    "gain": mark_text("Expected gain"),
    "cost": mark_text("Cost"),
    "contact": mark_text("Last contact"),
    "customer": mark_text("Customer"),
    "owner": mark_text("Owner"),
    "action": mark_text("Action"),
}
RANGE_LABELS: Final = {
    "risk": mark_text("Risk in %"), "value": mark_text("Revenue"), "at_risk": mark_text("At risk"),
}  # fmt: skip
RANGES: Final = tuple(RANGE_LABELS)
_END_LABELS: Final = {"min": mark_text("{label}, from"), "max": mark_text("{label}, to")}
_ENDS: Final = tuple(_END_LABELS)
_BOUNDS: Final = tuple(f"{name}_{end}" for name in RANGES for end in _ENDS)
CONTACT_AGES: Final = {
    "30": mark_text("More than 30 days ago"), "90": mark_text("More than 90 days ago"), "never": mark_text("Never"),
}  # fmt: skip
# Choices whose values do not depend on the customers.
_VALUES: Final[Mapping[str, Collection[str]]] = {
    "status": STATUSES,
    "response": RESPONSES,
    "contact": CONTACT_AGES,
    "changed": ("risk",),
    "due": ("today",),
}
_MOST_CHARACTERS: Final = 100
_CHOICES: Final = (
    *("action", "response", "status", "owner", "team", "contact", "changed", "due"),
    *("account", "parent"),
)
# Texts are sorted from the first letter, numbers from the largest.
_ASCENDING: Final = frozenset({"customer", "owner", "action", "contact"})


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Search text, filters, order and page.

    Parameters
    ----------
    text
        Part of an id, name or other personal text.
    choices
        Selected value by name: ``action``, ``response``, ``status``, ``owner``, ``team``,
        ``contact``, ``changed``, ``due``, ``account``, ``parent``; a name that is absent selects all.
    columns
        Selected value by column of the customers' table.
    ranges
        Lower and upper bound by name in `RANGES`; churn risks as shares.
    sort
        A name in `SORTS`.
    descending
        Whether the largest comes first.
    page
        Page number, from 1.
    """

    text: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    sort: str = "at_risk"
    descending: bool = True
    page: int = 1

    @classmethod
    def parse(cls, params: Mapping[str, str], columns: Collection[str]) -> ListQuery:
        """Parse the parameters of an address; unknown ones are ignored.

        Parameters
        ----------
        params
            Values by name; bounds in Python's notation, churn risks in percent.
        columns
            Columns that can be filtered.

        Raises
        ------
        ChurnkitError
            If a bound is not a number, or the order or the value of a fixed choice is unknown.

        Examples
        --------
        >>> query = ListQuery.parse({"q": "c1", "risk_min": "20", "sort": "risk"}, ())
        >>> query.ranges["risk"], query.to_string(page=2)
        ((0.2, inf), 'q=c1&sort=risk&risk_min=20&page=2')
        """
        sort = check_choice(params, "sort", SORTS, "at_risk")
        for name, values in _VALUES.items():
            check_choice(params, name, (*values, ALL), ALL)
        ranges = {}
        for name in RANGES:
            low = _number(params, name, "min")
            high = _number(params, name, "max")
            if low is not None or high is not None:
                ranges[name] = (
                    -math.inf if low is None else low, math.inf if high is None else high
                )  # fmt: skip
        number = params.get("page", "1")
        order = check_choice(
            params, "order", ("asc", "desc"), "asc" if sort in _ASCENDING else "desc"
        )
        return cls(
            params.get("q", "").strip()[:_MOST_CHARACTERS],
            {name: params[name] for name in _CHOICES if params.get(name, ALL) != ALL},
            {c: params[f"f.{c}"] for c in columns if params.get(f"f.{c}", ALL) != ALL},
            ranges,
            sort,
            order != "asc",
            int(number) if number.isdecimal() and 0 < len(number) < 9 else 1,
        )

    @classmethod
    def parse_form(cls, params: Mapping[str, str], columns: Collection[str]) -> ListQuery:
        """Parse the fields of the form, whose bounds are in the notation of the locale.

        Parameters
        ----------
        params, columns
            As for `parse`.

        Raises
        ------
        ChurnkitError
            As for `parse`.

        Examples
        --------
        >>> ListQuery.parse_form({"value_min": "1,234,567", "value_max": ""}, ()).to_string()
        'value_min=1234567'
        """
        return cls.parse(read_typed(params, _BOUNDS), columns)

    @classmethod
    def parse_string(cls, text: str, columns: Collection[str]) -> ListQuery:
        """Parse what `to_string` has returned; an empty value, such as no owner, is a value.

        Parameters
        ----------
        text
            Parameters of an address.
        columns
            As for `parse`.

        Raises
        ------
        ChurnkitError
            As for `parse`.

        Examples
        --------
        >>> ListQuery.parse_string("owner=&status=open", ()).choices
        {'status': 'open', 'owner': ''}
        """
        return cls.parse(dict(parse_qsl(text, keep_blank_values=True)), columns)

    def choice(self, name: str) -> str:
        """Return the selected value, or `ALL`."""
        return self.choices.get(name, ALL)

    def bound(self, name: str, end: int) -> str:
        """Return the lower (0) or upper (1) bound as a field shows it; empty if unbounded."""
        return localize_number(self._digits(name, end))

    def _digits(self, name: str, end: int) -> str:
        bound = self.ranges.get(name, (-math.inf, math.inf))[end]
        return "" if math.isinf(bound) else exact_digits(bound, is_percentage=name == "risk")

    @property
    def is_filtered(self) -> bool:
        """True if filters other than the search text, status and owner are in use."""
        return bool(self.columns or self.ranges or set(self.choices) - {"status", "owner"})

    def sorted_by(self, sort: str) -> ListQuery:
        """Return the query in another order, or reversed if it has this order already."""
        reverse = not self.descending if sort == self.sort else sort not in _ASCENDING
        return replace(self, sort=sort, descending=reverse, page=1)

    def to_string(self, *, page: int = 1) -> str:
        """Return the parameters of the address, without those that have their default."""
        pairs = [("q", self.text)] if self.text else []
        pairs += list(self.choices.items())
        pairs += [(f"f.{column}", value) for column, value in self.columns.items()]
        if self.sort != "at_risk":
            pairs.append(("sort", self.sort))
        if self.descending == (self.sort in _ASCENDING):
            pairs.append(("order", "desc" if self.descending else "asc"))
        for name in RANGES:
            for end, suffix in enumerate(_ENDS):
                text = self._digits(name, end)
                pairs += [(f"{name}_{suffix}", text)] if text else []
        return urlencode([*pairs, *([("page", str(page))] if page > 1 else [])])


def check_choice(
    params: Mapping[str, str], name: str, values: Collection[str], default: str
) -> str:
    """Return a parameter of an address that has one of some values.

    Parameters
    ----------
    params
        Values by name.
    name
        The parameter's.
    values
        Its values.
    default
        Value of a parameter that is absent.

    Raises
    ------
    ChurnkitError
        If the value is another.

    Examples
    --------
    >>> check_choice({}, "order", ("asc", "desc"), "desc")
    'desc'
    """
    value = params.get(name, default)
    if value not in values:
        allowed = ", ".join(values)
        raise ChurnkitError(_("{name} must be one of {names}", name=name, names=allowed))
    return value


def _number(params: Mapping[str, str], column: str, end: str) -> float | None:
    text = params.get(f"{column}_{end}", "").strip()
    if not text:
        return None
    try:
        number = parse_plain(text)
    except ValueError:
        raise ChurnkitError(
            _(
                "“{name}” must be a number such as {value}",
                name=_(_END_LABELS[end], label=_(RANGE_LABELS[column])),
                value=20 if column == "risk" else 1000,
            )
        ) from None
    # In decimal digits, so that a percentage is the same after any number of round trips.
    return float(Decimal(repr(number)).scaleb(-2)) if column == "risk" else number
