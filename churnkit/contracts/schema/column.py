"""One column of a contract: type, roles, descriptive texts and checks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from churnkit.contracts.parsing.date_spelling import DATE_STYLES
from churnkit.contracts.parsing.number_spelling import NUMBER_STYLES, Spelling, is_parseable
from churnkit.contracts.parsing.scalars import NOT_READABLE, is_text, read_date
from churnkit.contracts.schema.check import Check, is_category
from churnkit.contracts.schema.date_text import describe_days, describe_days_between
from churnkit.core.number_format import (
    CURRENCY_SIGNS,
    SHARE,
    format_money,
    format_number,
    format_percent,
)
from churnkit.core.translation import _
from churnkit.errors import ContractError

__all__ = ["ROLES", "Check", "Column", "ColumnType", "Role"]

Role = Literal[
    "entity",  # the customer of the row
    "as_of",  # the date of the row
    "feature",  # model input
    "label",  # prediction target
    "cause",  # why the customer churned, read in training only
    "value",  # the customer's value per period, in money
    "treatment",  # the action that was taken
    "propensity",  # the probability of that action
    "cost",  # the cost of an action for this customer, in money
    "account",  # the company or household of the customer, in the console
    "parent",  # the group that the account belongs to
    "context",  # input of decisions but not of the model: consent, channel, region
    "pii",  # personal data: never read, stored or logged
    "ignore",  # declared but unused
]
ROLES: tuple[str, ...] = get_args(Role)
ColumnType = Literal["integer", "number", "boolean", "string", "datetime"]
COLUMN_TYPES: tuple[str, ...] = get_args(ColumnType)
_UNKNOWN = ("refuse", "missing", "other")
# The last level of a column with unknown="other".
OTHER_LEVEL = "(other)"
# The largest integer up to which a float represents every integer exactly.
_MAX_EXACT_INTEGER = 2**53
# Units of time that schemas name in the plural: "Customer for {value} months".
_ONE = re.compile(r"(?<![\d.,])1 (day|week|month|quarter|year|hour|minute)s\b")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: type, roles, descriptive texts and checks.

    Parameters
    ----------
    name
        The column's name in tables.
    type
        ``integer``, ``number``, ``boolean``, ``string`` or ``datetime``.
    roles
        The use of the column, the main role first; see `ROLES`.
    title, unit, phrase
        Display texts; see `churnkit.contracts.feature`.
    nullable
        Allow missing values.
    checks
        Rules that every non-missing value must pass.
    levels
        Categories of an encoded string column in the order of their codes; None until training
        has learned them.
    unknown
        Treatment of a category outside `levels`: ``"refuse"`` the row, read it as ``"missing"``,
        or as the category ``"other"``, the last of the levels.
    positive
        For the label: the value that means "churned", or a tuple of such values. None means true
        or 1, and for a date, or a text that may be missing, any value.
    words
        Display texts of single values; see `churnkit.contracts.feature`.
    written
        Format of numbers in text columns, if not ``1234.5``, or of dates, if not ISO 8601; see
        `churnkit.contracts.feature` and `churnkit.contracts.as_of`.
    missing
        Texts that mark a missing value.
    numbered
        For the entity: the table may lack the column, and rows are then numbered from 0.
    default
        For the as-of date: the date of rows of a table that lacks the column, as YYYY-MM-DD.
    fill
        Number that a missing value is encoded as, learned if no training row is missing one.

    Raises
    ------
    ContractError
        If a parameter is invalid.
    """

    name: str
    type: ColumnType
    roles: tuple[str, ...]
    title: str = ""
    unit: str | None = None
    phrase: str | None = None
    nullable: bool = False
    checks: tuple[Check, ...] = ()
    levels: tuple[str, ...] | None = None
    unknown: Literal["refuse", "missing", "other"] = "refuse"
    positive: Any = None
    words: tuple[tuple[str, str], ...] = ()
    written: str | None = None
    missing: tuple[str, ...] = ()
    numbered: bool = False
    default: str | None = None
    fill: float | None = None

    def __post_init__(self) -> None:
        _check_texts(self)
        if self.type not in COLUMN_TYPES:
            raise ContractError(
                f"column '{self.name}': unknown type '{self.type}'; use one of: "
                f"{', '.join(COLUMN_TYPES)}"
            )
        allowed = f"use one of: {', '.join(ROLES)}"
        if not self.roles:
            raise ContractError(f"column '{self.name}' has no role; {allowed}")
        unknown = ", ".join(str(role) for role in self.roles if role not in ROLES)
        if unknown:
            raise ContractError(f"column '{self.name}': unknown role '{unknown}'; {allowed}")
        if self.has_role("pii") and self.has_role("account", "parent"):
            raise ContractError(
                f"column '{self.name}': accounts and parents are shown to all users of the console; "
                "declare it as pii, or as account or parent, not both"
            )
        if self.unknown not in _UNKNOWN:
            raise ContractError(
                f"column '{self.name}': unknown must be 'refuse', 'missing' or 'other'"
            )
        if not self.title:
            object.__setattr__(self, "title", self.name)
        checks = tuple(check.fitted(self.name, self.type) for check in self.checks)
        object.__setattr__(self, "checks", checks)
        _check_levels(self)
        _check_spelling(self)
        _check_default(self)
        if self.fill is not None and (self.is_category or not _is_finite(self.fill)):
            raise ContractError(f"column '{self.name}': fill must be a finite number")
        object.__setattr__(self, "positive", _plain(self.positive))
        _check_positive(self)

    @property
    def role(self) -> str:
        """The main role."""
        return self.roles[0]

    @property
    def positives(self) -> tuple[Any, ...]:
        """The values that mean "churned"; empty if none are stated."""
        if self.positive is None:
            return ()
        return self.positive if isinstance(self.positive, tuple) else (self.positive,)

    @property
    def has_default(self) -> bool:
        """True if a table may lack the column: rows are then numbered, or have its default."""
        return self.numbered or self.default is not None

    @property
    def is_category(self) -> bool:
        """True if the matrix has category codes for this column."""
        return self.type == "string"

    @property
    def spelling(self) -> Spelling | None:
        """The number format and missing-value markers of its texts, or None for plain texts."""
        if self.written is None and not self.missing:
            return None
        missing = tuple(text.casefold() for text in self.missing)
        return Spelling(self.written, missing, self.unit)

    def has_role(self, *roles: str) -> bool:
        """Return True if the column has any of these roles."""
        return any(role in self.roles for role in roles)

    def describe(self, value: Any) -> str:
        """Describe a value of this column for display.

        Examples
        --------
        >>> Column("tenure", "integer", ("feature",), "Months with us", "months").describe(2.0)
        'Months with us: 2 months'
        >>> Column("c", "string", ("feature",), phrase="{value} contract").describe("One year")
        'One year contract'
        >>> joined = Column("joined", "datetime", ("feature",), "Joined")
        >>> joined.describe(400.0), joined.describe(1.0), joined.describe(-30.0)
        ('Joined: 400 days ago', 'Joined: 1 day ago', 'Joined: in 30 days')
        >>> Column("s", "string", ("feature",), words=(("No", "No support"),)).describe("No")
        'No support'
        """
        if value is None or value != value:  # noqa: PLR0124  (NaN is the value unequal to itself)
            return _("{title}: not known", title=self.title)
        text = self._value_text(value)
        for name, description in self.words:
            if name == text:
                return description
        if (
            not isinstance(value, bool)
            and self.type != "boolean"
            and isinstance(value, (int, float))
        ):
            text = describe_days(value) if self.type == "datetime" else self._amount(value)
        if self.type == "boolean":
            text = _("yes") if value else _("no")
        return self._with_title(text)

    def describe_range(self, low: float | None, high: float | None) -> str:
        """Describe the numbers from `low` to below `high`; None is no bound.

        Examples
        --------
        >>> fee = Column("fee", "number", ("feature",), "Fee", "EUR")
        >>> fee.describe_range(None, 2.5), fee.describe_range(2.5, 7.25), fee.describe_range(7.25, None)
        ('Fee: less than €2.50', 'Fee: €2.50 to less than €7.25', 'Fee: at least €7.25')
        >>> months = Column("m", "integer", ("feature",), phrase="Customer for {value} months")
        >>> months.describe_range(6.0, 12.0), months.describe_range(6.0, 7.0)
        ('Customer for 6 to 11 months', 'Customer for 6 months')
        >>> months.describe_range(1.0, 2.0)
        'Customer for 1 month'
        >>> joined = Column("joined", "datetime", ("feature",), "Joined")
        >>> joined.describe_range(30.0, 90.0), joined.describe_range(-60.0, -30.0)
        ('Joined: 30 to less than 90 days ago', 'Joined: in more than 30 to 60 days')
        """
        if low is not None and high is not None and self.type == "integer":
            # For integers the last number inside the range reads better.
            if high - low == 1:
                return self.describe(low)
            return self._with_title(
                _("{low} to {high}", low=self._amount(low), high=self._amount(high - 1))
            )
        if self.type == "datetime":
            return self._with_title(describe_days_between(low, high))
        if low is None and high is None:
            return _("{title}: any", title=self.title)
        if low is None:
            text = _("less than {amount}", amount=self._amount(high))
        elif high is None:
            text = _("at least {amount}", amount=self._amount(low))
        else:
            text = _("{low} to less than {high}", low=self._amount(low), high=self._amount(high))
        return self._with_title(text)

    def _value_text(self, value: Any) -> str:
        """Format a value as a key of `words`."""
        if self.type == "boolean":
            return "yes" if value else "no"
        if isinstance(value, (int, float)):
            return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
        return str(value)

    def _amount(self, value: float | None) -> str:
        if value is None:
            return ""
        if self._currency:
            return format_money(value, self._currency)
        return format_percent(value) if self.unit == SHARE else format_number(value)

    @property
    def _currency(self) -> str:
        """The currency of the unit, such as USD in ``USD a month``; empty if a phrase names it."""
        code = (self.unit or "").split(" ")[0]
        return code if code in CURRENCY_SIGNS and not self.phrase else ""

    def _with_title(self, text: str) -> str:
        if self.phrase:
            return _ONE.sub("1 \\1", self.phrase.replace("{value}", text))
        unit = "" if self.unit in {None, SHARE} else f" {self.unit}"
        if self._currency:
            unit = unit.removeprefix(f" {self._currency}")
        return _ONE.sub("1 \\1", f"{self.title}: {text}{unit}")

    def decode(self, code: float) -> Any:
        """Return the value of a code: None for NaN, otherwise a category, a boolean or a number.

        Examples
        --------
        >>> Column("plan", "string", ("feature",), levels=("basic", "pro")).decode(1.0)
        'pro'
        """
        if code != code:  # noqa: PLR0124  (NaN is the value unequal to itself)
            return None
        if self.is_category and self.levels is not None:
            return self.levels[int(code)]
        return bool(code) if self.type == "boolean" else float(code)

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON-serializable data; `from_dict` is its inverse."""
        return {
            "name": self.name,
            "type": self.type,
            "roles": list(self.roles),
            "title": self.title,
            "unit": self.unit,
            "phrase": self.phrase,
            "nullable": self.nullable,
            "checks": [check.to_dict() for check in self.checks],
            "levels": None if self.levels is None else list(self.levels),
            "unknown": self.unknown,
            "positive": list(self.positive) if isinstance(self.positive, tuple) else self.positive,
            "words": dict(self.words),
            # Only if set, so that the digests of older contracts do not change.
            **({"written": self.written} if self.written else {}),
            **({"missing": list(self.missing)} if self.missing else {}),
            **({"numbered": True} if self.numbered else {}),
            **({"default": self.default} if self.default else {}),
            **({} if self.fill is None else {"fill": self.fill}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Column:
        """Create a column from the result of `to_dict`."""
        checks = tuple(Check(**check) for check in data["checks"])
        levels = data["levels"]
        if not isinstance(data["words"], dict):
            raise ContractError("the words of a column must be an object")
        if not isinstance(data["roles"], list) or not isinstance(levels, (list, type(None))):
            raise ContractError("the roles and the levels of a column must be lists")
        return cls(
            **{
                **data,
                "roles": tuple(data["roles"]),
                "checks": checks,
                "levels": None if levels is None else tuple(levels),
                "words": tuple(data["words"].items()),
                "missing": tuple(data.get("missing", ())),
            }
        )


def _check_texts(column: Column) -> None:
    """Check the types of the fields, which a damaged file or an error in code may have wrong."""
    if not _is_text(column.name) or not column.name:
        raise ContractError("the name of a column must be text")
    for field in ("title", "unit", "phrase"):
        text = getattr(column, field)
        if not (_is_text(text) or (text is None and field != "title")):
            raise ContractError(f"column '{column.name}': {field} must be text")
    if not all(_is_text(text) for pair in column.words for text in pair):
        raise ContractError(f"column '{column.name}': words must map texts to texts")
    for field in ("nullable", "numbered"):
        if not isinstance(getattr(column, field), bool):
            raise ContractError(f"column '{column.name}': {field} must be true or false")
    for field, kind in (("roles", str), ("checks", Check)):
        items = getattr(column, field)
        if not isinstance(items, tuple) or not all(isinstance(item, kind) for item in items):
            raise ContractError(f"column '{column.name}': {field} must be a tuple")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_text(value)


def _is_finite(number: Any) -> bool:
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    return is_number and math.isfinite(number)


def _check_levels(column: Column) -> None:
    levels = column.levels
    if levels is None:
        return
    if column.type != "string":
        raise ContractError(f"column '{column.name}' has levels, which need type 'string'")
    if not isinstance(levels, tuple) or not all(is_category(level) for level in levels):
        raise ContractError(
            f"column '{column.name}': levels must be non-blank texts without surrounding whitespace"
        )
    if len(set(levels)) != len(levels):
        raise ContractError(f"column '{column.name}' has duplicate levels")


def _check_spelling(column: Column) -> None:
    styles: tuple[str, ...] = ()
    if column.type in {"integer", "number"}:
        styles = tuple(NUMBER_STYLES)
    elif column.type == "datetime":
        styles = DATE_STYLES
    if column.written is not None and column.written not in styles:
        if not styles:
            raise ContractError(
                f"column '{column.name}': written needs a number or a date, got '{column.type}'"
            )
        names = ", ".join(f"'{style}'" for style in styles)
        raise ContractError(f"column '{column.name}': written must be one of {names}")
    markers = column.missing
    valid = isinstance(markers, tuple) and all(map(is_category, markers))
    if column.type == "datetime":
        # A word such as "no" is no date.
        is_value = {m: read_date(m) is not NOT_READABLE for m in markers if isinstance(m, str)}
    else:
        is_value = {m: is_parseable(m) for m in markers if isinstance(m, str)}
    if not valid or any(is_value.values()):
        raise ContractError(
            f"column '{column.name}': missing must list non-blank texts without surrounding "
            "whitespace that are no number, date or boolean"
        )


def _check_default(column: Column) -> None:
    if column.default is not None and not isinstance(read_date(column.default), int):
        raise ContractError(f"column '{column.name}': default must be a date as YYYY-MM-DD")


def _plain(positive: Any) -> Any:
    """Return values of NumPy as Python's, and a list as a tuple."""
    if isinstance(positive, (list, tuple)):
        return tuple(map(_plain, positive))
    return positive.item() if hasattr(positive, "item") else positive


def _check_positive(column: Column) -> None:
    if column.positive is None:
        return
    values = column.positives
    valid = bool(values) and all(_is_accepted(column, value) for value in values)
    if not valid or len(set(values)) != len(values):
        raise ContractError(
            f"column '{column.name}': positive must be a value that the column accepts, or several "
            "different ones"
        )


def _is_accepted(column: Column, value: Any) -> bool:
    if column.type == "string":
        is_value = is_category(value)
    elif column.type == "boolean":
        is_value = isinstance(value, (bool, int, float)) and value in {0, 1}
    else:
        is_value = isinstance(value, (int, float)) and abs(value) <= _MAX_EXACT_INTEGER
    return is_value and all(check.holds(value) for check in column.checks)
