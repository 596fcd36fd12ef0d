"""One column of a contract: its type, its roles, its words and its checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from churnkit.contracts.parsing.number_spelling import WRITTEN, has_meaning
from churnkit.contracts.parsing.scalars import is_text
from churnkit.contracts.schema.check import Check, is_category
from churnkit.contracts.schema.role_names import ROLES
from churnkit.core.number_format import SHARE, format_number, format_percent
from churnkit.errors import ContractError

__all__ = ["Check", "Column", "ColumnType"]

ColumnType = Literal["integer", "number", "boolean", "string", "datetime"]
COLUMN_TYPES: tuple[str, ...] = get_args(ColumnType)
_UNKNOWN = ("refuse", "missing")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, its roles, its words and its checks.

    Parameters
    ----------
    name
        As the table spells it.
    type
        ``integer``, ``number``, ``boolean``, ``string`` or ``datetime``.
    roles
        What the column is for, the main role first.
    title, unit, phrase, words
        The column in a person's words; see `churnkit.contracts.feature`.
    nullable
        Whether a value may be missing.
    checks
        What every known value must pass.
    levels
        For a string that is encoded: its categories in the order of their codes; None until
        training has learned them.
    unknown
        What becomes of a category outside `levels`: ``"refuse"`` or ``"missing"``.
    positive
        For the label: the value that means "has left".
    written
        How tables write its numbers, where not as ``1234.5``; see `churnkit.contracts.feature`.
    missing
        Texts of tables that stand for no value.
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
    unknown: Literal["refuse", "missing"] = "refuse"
    positive: Any = None
    words: tuple[tuple[str, str], ...] = ()
    written: str | None = None
    missing: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _refuse_wrong_words(self)
        if self.type not in COLUMN_TYPES:
            raise ContractError(
                f"column '{self.name}': type '{self.type}' is none of {', '.join(COLUMN_TYPES)}"
            )
        if not self.roles:
            raise ContractError(f"column '{self.name}' has no role; known are: {', '.join(ROLES)}")
        strange = [str(role) for role in self.roles if role not in ROLES]
        if strange:
            raise ContractError(
                f"column '{self.name}': role '{', '.join(strange)}' is none of {', '.join(ROLES)}"
            )
        if self.unknown not in _UNKNOWN:
            raise ContractError(f"column '{self.name}': unknown is 'refuse' or 'missing'")
        if not self.title:
            object.__setattr__(self, "title", self.name)
        checks = tuple(check.fitted(self.name, self.type) for check in self.checks)
        object.__setattr__(self, "checks", checks)
        _refuse_wrong_levels(self)
        _refuse_wrong_spelling(self)
        if hasattr(self.positive, "item"):
            object.__setattr__(self, "positive", self.positive.item())
        _refuse_wrong_positive(self)

    @property
    def role(self) -> str:
        """The main role."""
        return self.roles[0]

    @property
    def is_category(self) -> bool:
        """Whether the matrix holds codes of categories and not numbers."""
        return self.type == "string"

    def has_role(self, *roles: str) -> bool:
        """Tell whether the column has one of these roles."""
        return any(role in self.roles for role in roles)

    def say(self, value: Any) -> str:
        """Put a value of this column into a person's words.

        Examples
        --------
        >>> Column("tenure", "integer", ("feature",), "Months with us", "months").say(2.0)
        'Months with us: 2 months'
        >>> Column("c", "string", ("feature",), phrase="{value} contract").say("One year")
        'One year contract'
        >>> Column("s", "string", ("feature",), words=(("No", "No support"),)).say("No")
        'No support'
        """
        if value is None or value != value:  # noqa: PLR0124  (NaN is the value unequal to itself)
            return f"{self.title}: not known"
        shown = self._written(value)
        for named, words in self.words:
            if named == shown:
                return words
        if (
            not isinstance(value, bool)
            and self.type != "boolean"
            and isinstance(value, (int, float))
        ):
            shown = self._amount(value)
        return self._sentence(shown)

    def say_range(self, low: float | None, high: float | None) -> str:
        """Put the numbers from `low` to below `high` into a person's words; None is no bound.

        Examples
        --------
        >>> fee = Column("fee", "number", ("feature",), "Fee", "EUR")
        >>> fee.say_range(None, 2.5), fee.say_range(2.5, 7.25), fee.say_range(7.25, None)
        ('Fee: less than 2.5 EUR', 'Fee: 2.5 to less than 7.25 EUR', 'Fee: at least 7.25 EUR')
        >>> months = Column("m", "integer", ("feature",), phrase="Customer for {value} months")
        >>> months.say_range(6.0, 12.0), months.say_range(6.0, 7.0)
        ('Customer for 6 to 11 months', 'Customer for 6 months')
        """
        if low is not None and high is not None and self.type == "integer":
            # Of whole numbers the last one that belongs to the range is the plainer end.
            if high - low == 1:
                return self.say(low)
            return self._sentence(f"{self._amount(low)} to {self._amount(high - 1)}")
        if low is None and high is None:
            return f"{self.title}: any"
        if low is None:
            return self._sentence(f"less than {self._amount(high)}")
        if high is None:
            return self._sentence(f"at least {self._amount(low)}")
        return self._sentence(f"{self._amount(low)} to less than {self._amount(high)}")

    def _written(self, value: Any) -> str:
        """Write a value in full, as the words for single values name it."""
        if self.type == "boolean":
            return "yes" if value else "no"
        if isinstance(value, (int, float)):
            return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
        return str(value)

    def _amount(self, value: float | None) -> str:
        if value is None:
            return ""
        return format_percent(value) if self.unit == SHARE else format_number(value)

    def _sentence(self, shown: str) -> str:
        if self.phrase:
            return self.phrase.replace("{value}", shown)
        unit = f" {self.unit}" if self.unit and self.unit != SHARE else ""
        return f"{self.title}: {shown}{unit}"

    def decoded(self, code: float) -> Any:
        """Return the value behind an encoded one: None for NaN, a category, true or false.

        Examples
        --------
        >>> Column("plan", "string", ("feature",), levels=("basic", "pro")).decoded(1.0)
        'pro'
        """
        if code != code:  # noqa: PLR0124  (NaN is the value unequal to itself)
            return None
        if self.is_category and self.levels is not None:
            return self.levels[int(code)]
        return bool(code) if self.type == "boolean" else float(code)

    def to_dict(self) -> dict[str, Any]:
        """Return the column as JSON-able data; `from_dict` is its inverse."""
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
            "positive": self.positive,
            "words": dict(self.words),
            # Only where there is such a thing: contracts of before keep their digests.
            **({"written": self.written} if self.written else {}),
            **({"missing": list(self.missing)} if self.missing else {}),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Column:
        """Rebuild a column from `to_dict`."""
        checks = tuple(Check(**check) for check in data["checks"])
        levels = data["levels"]
        if not isinstance(data["words"], dict):
            raise ContractError("the words of a column are an object")
        if not isinstance(data["roles"], list) or not isinstance(levels, (list, type(None))):
            raise ContractError("the roles and the levels of a column are lists")
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


def _refuse_wrong_words(column: Column) -> None:
    """Refuse what can only come from a damaged file or a slip in code, before it is used."""
    if not isinstance(column.name, str) or not column.name or not is_text(column.name):
        raise ContractError("a column's name is text")
    for word, given in (("title", column.title), ("unit", column.unit), ("phrase", column.phrase)):
        if given is not None and not (isinstance(given, str) and is_text(given)):
            raise ContractError(f"column '{column.name}': its {word} is text")
    said = [text for pair in column.words for text in pair]
    if not all(isinstance(text, str) and is_text(text) for text in said):
        raise ContractError(f"column '{column.name}': its words are a text for each value's text")
    if column.title is None or not isinstance(column.nullable, bool):
        raise ContractError(
            f"column '{column.name}': the title is text and nullable is true or false"
        )
    for field, kind in (("roles", str), ("checks", Check)):
        given = getattr(column, field)
        if not isinstance(given, tuple) or not all(isinstance(item, kind) for item in given):
            raise ContractError(f"column '{column.name}': its {field} are a tuple")


def _refuse_wrong_levels(column: Column) -> None:
    if column.levels is None:
        return
    if column.type != "string":
        raise ContractError(f"column '{column.name}' has levels, which only text can have")
    levels = column.levels
    if not isinstance(levels, tuple) or not all(is_category(level) for level in levels):
        raise ContractError(
            f"column '{column.name}': its levels are texts that are not blank and have no "
            "blanks around them"
        )
    if len(set(levels)) != len(levels):
        raise ContractError(f"column '{column.name}' has a level twice")


def _refuse_wrong_spelling(column: Column) -> None:
    if column.written is not None:
        if column.written not in WRITTEN:
            known = " or ".join(f"'{example}'" for example in WRITTEN)
            raise ContractError(
                f"column '{column.name}': written shows a number as the tables write it: {known}"
            )
        if column.type not in {"integer", "number"}:
            raise ContractError(
                f"column '{column.name}' is no number, and written says how numbers are written"
            )
    given = column.missing
    fits = isinstance(given, tuple) and all(map(is_category, given))
    if not fits or any(map(has_meaning, given)):
        raise ContractError(
            f"column '{column.name}': missing lists texts that stand for no value; they are not "
            "blank, have no blanks around them, and are no number, date or truth value"
        )


def _refuse_wrong_positive(column: Column) -> None:
    positive = column.positive
    if positive is None:
        return
    if column.type == "string":
        fits = is_category(positive)
    elif column.type == "boolean":
        fits = isinstance(positive, (bool, int, float)) and positive in {0, 1}
    else:
        fits = isinstance(positive, (int, float)) and abs(positive) <= _LARGEST
    if not fits or not all(check.holds(positive) for check in column.checks):
        raise ContractError(
            f"column '{column.name}': its positive value is not one that the column can hold"
        )


# Beyond it whole numbers are no longer told apart, nor are NaN and infinity numbers.
_LARGEST = 2**53
