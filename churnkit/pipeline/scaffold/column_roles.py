"""What one column of an unknown table is probably for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.encoding.category_levels import MAX_LEVELS
from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean, read_date
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.number_columns import read_numbers

if TYPE_CHECKING:
    from churnkit.pipeline.scaffold.column_profile import Facts
    from churnkit.pipeline.scaffold.number_columns import Numbers

__all__ = ["DraftColumn", "are_dates", "draft_column"]

_DATES = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T]\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ,]+\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}"
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()/.-]{6,}[0-9]")
# So many categories are listed in the schema; more are learned in training.
_LISTED = 12
_RAREST_LISTED = 5
_MOST_CATEGORIES = 50
_LONG_TEXT = 40
_EVERY_ROW = 0.9
_MOSTLY = 0.95


@dataclass(frozen=True)
class DraftColumn:
    """A guess at what a column is for.

    Parameters
    ----------
    name
        As the table spells it.
    type
        As a schema annotates it: ``str``, ``int``, ``float``, ``bool`` or ``Utc``.
    role
        The role's function in `churnkit.contracts`.
    settings
        What it is called with besides the title.
    review
        What a person should look at; empty where the guess is plain.
    """

    name: str
    type: str
    role: str
    settings: dict[str, Any] = field(default_factory=dict)
    review: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the guess as JSON-able data."""
        return {
            "column": self.name,
            "type": self.type,
            "role": self.role,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "review": self.review,
        }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def ignored(name: str, review: str, role: str = "ignore") -> DraftColumn:
    """Leave a column out of the model, and say why."""
    return DraftColumn(name, "str", role, {"nullable": True}, review)


def draft_column(facts: Facts, *, delimiter: str = ",") -> DraftColumn:
    """Guess what a column is for that is neither customer, date of the row nor label.

    Parameters
    ----------
    facts
        What it holds.
    delimiter
        Of the file that it comes from.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import facts_of
    >>> plans = facts_of("plan", pa.chunked_array([["a", "b"] * 30]))
    >>> draft_column(plans).role, draft_column(plans).settings
    ('feature', {'isin': ['a', 'b']})
    >>> draft_column(facts_of("country", pa.chunked_array([["CH"] * 60]))).review
    'has one value only'
    """
    for guess in (_useless, _personal, _date, _truth):
        found = guess(facts)
        if found is not None:
            return found
    numbers = read_numbers(facts, delimiter=delimiter)
    return _text(facts) if numbers is None else _number(facts, numbers)


def _useless(facts: Facts) -> DraftColumn | None:
    if facts.kind == "other":
        return ignored(facts.name, "holds lists, bytes or the like, which no model reads")
    if not facts.texts:
        return ignored(facts.name, "is blank in every row")
    if facts.distinct == 1 and not facts.missing:
        return ignored(facts.name, "has one value only")
    return None


def _personal(facts: Facts) -> DraftColumn | None:
    said = "looks like personal data"
    if facts.kind == "text" and _share(facts, _EMAIL) > _MOSTLY:
        return ignored(facts.name, said, "pii")
    many = facts.distinct > max(_MOST_CATEGORIES, 0.05 * facts.rows)
    if name_rules.is_personal(facts.name) and (many or facts.distinct > 0.5 * facts.rows):
        return ignored(facts.name, said, "pii")
    digits = facts.kind == "text" and many and _share(facts, _PHONE) > _MOSTLY
    if digits and not are_dates(facts) and "phone" in facts.name.lower():
        return ignored(facts.name, said, "pii")
    return None


def _share(facts: Facts, pattern: re.Pattern[str]) -> float:
    """Return the share of the distinct texts that match."""
    matching = sum(pattern.fullmatch(text) is not None for text in facts.texts)
    return matching / max(facts.distinct, 1)


def are_dates(facts: Facts, *, iso: bool = False) -> bool:
    """Tell whether a column holds dates; with `iso`, only such as a contract reads.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import facts_of
    >>> days = facts_of("day", pa.chunked_array([["31.12.2024", "1.1.2025"]]))
    >>> are_dates(days), are_dates(days, iso=True)
    (True, False)
    """
    if facts.kind == "date":
        return True
    if facts.kind != "text" or not facts.texts:
        return False
    if iso:
        return all(read_date(text) is not NOT_READABLE for text in facts.texts)
    return _share(facts, _DATES) > _MOSTLY


def _date(facts: Facts) -> DraftColumn | None:
    if not are_dates(facts):
        return None
    said = "holds dates: derive a duration from it (days since) to let the model use it"
    return ignored(facts.name, said)


def _truth(facts: Facts) -> DraftColumn | None:
    words = {text.lower() for text in facts.texts}
    if words & {"0", "1"} and facts.kind != "boolean" and words <= {"0", "1", "0.0", "1.0"}:
        return None  # a whole number that happens to be a flag
    codes = [read_boolean(text, lenient=True) for text in facts.texts]
    if any(code is NOT_READABLE for code in codes):
        return None
    return DraftColumn(facts.name, "bool", "feature", _nullable(facts.missing))


def _nullable(missing: int) -> dict[str, Any]:
    return {"nullable": True} if missing else {}


def _number(facts: Facts, numbers: Numbers) -> DraftColumn:
    known = facts.rows - numbers.blank
    each_row = known >= _MOST_CATEGORIES and numbers.distinct >= _EVERY_ROW * known
    if (
        numbers.whole
        and each_row
        and (name_rules.is_id(facts.name) or _counts_rows(numbers, known))
    ):
        return ignored(facts.name, "looks like an id")
    if numbers.distinct == 1 and not numbers.blank:
        return ignored(facts.name, "has one value only")
    settings = numbers.settings | _nullable(numbers.blank)
    if numbers.whole and {numbers.lowest, numbers.highest} <= {0.0, 1.0}:
        settings["isin"] = [0, 1]
    elif numbers.whole and numbers.lowest >= 0:
        settings["ge"] = 0
    review = ""
    if numbers.missing:
        review = f"{len(numbers.missing)} texts among its numbers are read as missing"
    elif name_rules.is_id(facts.name):
        review = "is a number by name: if it is a code, make it str, or ignore it"
    if name_rules.is_revenue(facts.name) and numbers.lowest >= 0:
        settings["also"] = ("value",)
        review = "taken for what a customer pays each period"
    whole = numbers.whole and "value" not in settings.get("also", ())
    return DraftColumn(facts.name, "int" if whole else "float", "feature", settings, review)


def _counts_rows(numbers: Numbers, known: int) -> bool:
    """Tell whether the numbers count the rows from 0 or 1, or nearly so."""
    return numbers.lowest in {0.0, 1.0} and numbers.highest <= 1.1 * known + 1


def _text(facts: Facts) -> DraftColumn:
    longest = float(np.mean([len(text) for text in facts.texts]))
    if facts.distinct >= 0.5 * facts.known and facts.distinct > _LISTED:
        if longest > _LONG_TEXT or _share(facts, re.compile(r".*\S\s+\S+\s+\S.*", re.DOTALL)) > 0.5:
            return ignored(facts.name, "looks like free text")
        return ignored(facts.name, "has another value in nearly every row")
    if facts.distinct > max(_MOST_CATEGORIES, 0.2 * facts.rows) or facts.distinct > MAX_LEVELS:
        return ignored(facts.name, f"has {facts.distinct:,} categories, too many to learn from")
    settings = _nullable(facts.missing)
    if facts.distinct <= _LISTED and int(facts.counts.min()) >= _RAREST_LISTED:
        return DraftColumn(facts.name, "str", "feature", settings | {"isin": sorted(facts.texts)})
    return DraftColumn(
        facts.name,
        "str",
        "feature",
        settings,
        f"{facts.distinct} categories, learned in training; new ones are read as missing",
    )
