"""Infer the role and type of a column."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.encoding.category_levels import MAX_LEVELS
from churnkit.contracts.parsing.date_spelling import MONTHS
from churnkit.contracts.parsing.number_spelling import split_number
from churnkit.contracts.parsing.scalars import (
    NOT_READABLE,
    read_boolean,
    read_date,
    read_number,
)
from churnkit.core.loader_columns import is_loader_column
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_values import holds_personal_data
from churnkit.pipeline.scaffold.keys.date_columns import SERIAL_DAY, detect_dates, is_date_name
from churnkit.pipeline.scaffold.keys.label_names import is_prediction
from churnkit.pipeline.scaffold.number_columns import (
    MISSING_TEXTS,
    SPREADSHEET_ERRORS,
    UnreadableNumbersError,
    read_numbers,
)

if TYPE_CHECKING:
    from churnkit.pipeline.scaffold.column_profile import ColumnProfile
    from churnkit.pipeline.scaffold.number_columns import Numbers

__all__ = ["DraftColumn", "draft_column", "holds_dates", "is_plain_date"]

_DATES = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[ T]\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ,]+\d{2,4}|[A-Za-z]{3,9} \d{1,2},? \d{4}"
)
_NAMED_MONTH = re.compile(
    rf"(?:{'|'.join(MONTHS)})[a-zéûäç]*\.?[-/ .']*(?:[0-9]{{4}}|[0-9]{{2}})", re.IGNORECASE
)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CLOCK = re.compile(r"[0-9]{1,3}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?")
_PHONE = re.compile(r"\+?[0-9][0-9 ()/.-]{6,}[0-9]")
# More categories are not listed in the schema but learned in training.
_MAX_LISTED = 12
_MIN_ROWS_PER_LISTED = 5
_MAX_CATEGORIES = 50
_FREE_TEXT_LENGTH = 40
_UNIQUE_SHARE = 0.9
_MAJORITY = 0.95
# Numbers that programs write for missing values, next to numbers from 0 to 500.
_CODES = re.compile(r"-9{2,}(?:\.0+)?|9{4,}(?:\.0+)?|-1(?:\.0+)?")
_MIN_CODED, _MAX_CODED = 3, 500.0
_QUARTER = re.compile(
    r"Q[1-4][-/ ']{0,2}(?:[0-9]{4}|[0-9]{2})|[0-9]{4}[-/ ]?Q[1-4]|[0-9]{4}-?W[0-9]{2}",
    re.IGNORECASE,
)
SEVERAL_FORMATS = (
    "holds dates in several formats, or next to other texts: write all of them as YYYY-MM-DD"
)
MIXED_DAYS = "mixes dates and days since 1900, which spreadsheets count: format its cells as dates (YYYY-MM-DD)"
_PLAIN_DATE = "holds dates"
_DERIVE = "derive a duration (days since) for the model to use it"
# More texts next to numbers are parts of codes.
_MAX_BESIDE = 4


@dataclass(frozen=True)
class DraftColumn:
    """Inferred role of a column.

    Parameters
    ----------
    name
        Name of the column in the table.
    type
        Annotation in the schema: ``str``, ``int``, ``float``, ``bool`` or ``Utc``.
    role
        Function of `churnkit.contracts`.
    settings
        Keyword arguments of that function.
    review
        What to review; empty if the inference is certain.
    """

    name: str
    type: str
    role: str
    settings: dict[str, Any] = field(default_factory=dict)
    review: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-compatible data."""
        return {
            "column": self.name,
            "type": self.type,
            "role": self.role,
            "settings": {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in self.settings.items()
            },
            "review": self.review,
        }


def ignored(name: str, review: str, role: str = "ignore") -> DraftColumn:
    """Leave a column out of the model, with the reason for review."""
    return DraftColumn(name, "str", role, {"nullable": True}, review)


def draft_column(profile: ColumnProfile, *, delimiter: str = ",", decimal: str = "") -> DraftColumn:
    """Infer the role of a column that is neither customer, as-of date nor label.

    Features are nullable, so that a later table with a blank is scored.

    Parameters
    ----------
    profile
        The column.
    delimiter, decimal
        Delimiter and number style of the file; see `read_numbers`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> plans = profile_column("plan", pa.chunked_array([["a", "b"] * 30]))
    >>> draft_column(plans).role, draft_column(plans).settings
    ('feature', {'nullable': True, 'isin': ['a', 'b']})
    >>> draft_column(profile_column("country", pa.chunked_array([["CH"] * 60]))).review
    'has one value only'
    """
    for draft in (_draft_unusable, _draft_personal, _draft_date, _draft_boolean):
        column = draft(profile)
        if column is not None:
            return column
    try:
        numbers = read_numbers(profile, delimiter=delimiter, decimal=decimal)
    except UnreadableNumbersError as error:
        return ignored(profile.name, str(error))
    return _draft_text(profile) if numbers is None else _draft_number(profile, numbers)


def _draft_unusable(profile: ColumnProfile) -> DraftColumn | None:
    if is_loader_column(profile.name):
        return ignored(profile.name, "was added by the program that loaded the table")
    if is_prediction(profile.name):
        return ignored(profile.name, "looks like another model's prediction of churn")
    if profile.kind == "other":
        return ignored(profile.name, "holds lists, bytes or other values that models do not read")
    if not profile.texts:
        return ignored(profile.name, "is blank in every row")
    if profile.distinct == 1 and not profile.missing:
        return ignored(profile.name, "has one value only")
    return None


def _draft_personal(profile: ColumnProfile) -> DraftColumn | None:
    review = "looks like personal data"
    if profile.kind == "text" and _share(profile, _EMAIL) > _MAJORITY:
        return ignored(profile.name, review, "pii")
    many = profile.distinct > max(_MAX_CATEGORIES, 0.05 * profile.rows)
    if holds_personal_data(profile) and (many or profile.distinct > 0.5 * profile.rows):
        return ignored(profile.name, review, "pii")
    phones = profile.kind == "text" and many and _share(profile, _PHONE) > _MAJORITY
    if phones and not holds_dates(profile) and "phone" in profile.name.lower():
        return ignored(profile.name, review, "pii")
    return None


def _share(profile: ColumnProfile, pattern: re.Pattern[str]) -> float:
    """Return the share of distinct texts that match a pattern."""
    matching = sum(pattern.fullmatch(text) is not None for text in profile.texts)
    return matching / max(profile.distinct, 1)


def holds_dates(profile: ColumnProfile, *, iso: bool = False) -> bool:
    """Return True if a column holds dates; with `iso`, only dates in ISO 8601.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> days = profile_column("day", pa.chunked_array([["31.12.2024", "1.1.2025"]]))
    >>> holds_dates(days), holds_dates(days, iso=True)
    (True, False)
    """
    if profile.kind == "date":
        return True
    if profile.kind != "text" or not profile.texts:
        return False
    if iso:
        return all(read_date(text) is not NOT_READABLE for text in profile.texts)
    return _share(profile, _DATES) > _MAJORITY


def _draft_date(profile: ColumnProfile) -> DraftColumn | None:
    dates = detect_dates(profile, missing=MISSING_TEXTS)
    if dates is None:
        if _mixes_serial_days(profile):
            return ignored(profile.name, MIXED_DAYS)
        for pattern, periods in ((_NAMED_MONTH, "months"), (_QUARTER, "quarters or weeks")):
            if len(profile.texts) > 1 and _share(profile, pattern) > _MAJORITY:
                review = f"holds {periods}: write their first days, as YYYY-MM-DD"
                return ignored(profile.name, review)
        if _share(profile, _CLOCK) > _MAJORITY:
            return ignored(profile.name, "holds times of day or durations: convert them to numbers")
        if not holds_dates(profile):
            return None
    if dates is None:
        return ignored(profile.name, SEVERAL_FORMATS)
    written = f" ({dates})" if dates.written else ""
    return ignored(profile.name, f"{_PLAIN_DATE}{written}: {_DERIVE}")


def is_plain_date(column: DraftColumn) -> bool:
    """Return True for a column that is left out because it holds dates, and for no other reason."""
    return column.role == "ignore" and column.review.startswith(_PLAIN_DATE)


def _mixes_serial_days(profile: ColumnProfile) -> bool:
    """Return True for dates of which some are days as spreadsheets count them."""
    numbers = {text for text in profile.texts if SERIAL_DAY.fullmatch(text)}
    others = set(profile.texts) - numbers
    is_mixed = bool(numbers) and bool(others) and is_date_name(profile.name)
    return is_mixed and all(map(_DATES.fullmatch, others))


def _draft_boolean(profile: ColumnProfile) -> DraftColumn | None:
    texts = {text.lower() for text in profile.texts}
    if texts & {"0", "1"} and profile.kind != "boolean" and texts <= {"0", "1", "0.0", "1.0"}:
        return None  # kept as an integer with two values
    codes = [read_boolean(text, lenient=True) for text in profile.texts]
    if any(code is NOT_READABLE for code in codes):
        return None
    return DraftColumn(profile.name, "bool", "feature", {"nullable": True})


def _draft_number(profile: ColumnProfile, numbers: Numbers) -> DraftColumn:
    filled = profile.rows - numbers.blank
    is_unique = filled >= _MAX_CATEGORIES and numbers.distinct >= _UNIQUE_SHARE * filled
    if (
        numbers.is_integer
        and is_unique
        and (name_rules.is_id(profile.name) or _counts_rows(numbers, filled))
    ):
        return ignored(profile.name, "looks like an id")
    if numbers.distinct == 1 and not numbers.blank:
        return ignored(profile.name, "has one value only")
    settings = numbers.settings | {"nullable": True}
    if numbers.is_integer and {numbers.lowest, numbers.highest} <= {0.0, 1.0}:
        settings["isin"] = [0, 1]
    elif numbers.is_integer and numbers.lowest >= 0:
        settings["ge"] = 0
    review = numbers.review
    code = _missing_code(profile)
    if code:
        review = "; ".join(filter(None, (review, code)))
    if numbers.missing:
        review = review or f"{len(numbers.missing)} texts among the numbers are read as missing"
    elif name_rules.is_id(profile.name):
        review = "has the name of an id: if it is a code, change its type to str, or ignore it"
    if name_rules.is_revenue(profile.name) and numbers.lowest >= 0:
        settings["also"] = ("value",)
        review = "assumed to be the revenue per period"
    # Amounts and signed numbers are measured, even if all are whole; counts and ids are not.
    is_measured = "written" in settings or "value" in settings.get("also", ()) or numbers.lowest < 0
    is_integer = numbers.is_integer and not is_measured
    return DraftColumn(profile.name, "int" if is_integer else "float", "feature", settings, review)


def _missing_code(profile: ColumnProfile) -> str:
    """Describe numbers such as -999 that other rows have no number like."""
    codes = [text for text in profile.texts if _CODES.fullmatch(text)]
    others = [read_number(text, lenient=True) for text in profile.texts if text not in codes]
    known = [number for number in others if number == number]  # noqa: PLR0124  (not NaN)
    rows = profile.rows_with(set(codes))
    if rows < _MIN_CODED or len(known) < _MIN_CODED or min(known) < 0.0 or max(known) > _MAX_CODED:
        return ""
    listed = ", ".join(sorted(codes))
    return f"{listed} in {rows:,} rows may stand for missing: write a blank in its place if it does"


def _counts_rows(numbers: Numbers, rows: int) -> bool:
    """Return True if the numbers are row numbers from 0 or 1, with few gaps."""
    return numbers.lowest in {0.0, 1.0} and numbers.highest <= 1.1 * rows + 1


def _texts_beside_numbers(profile: ColumnProfile) -> str:
    """List the few texts before or after the numbers of a column; empty if it holds no numbers."""
    numbers = [split_number(text) for text in profile.texts]
    parts = [number for number in numbers if number is not None]
    texts = {text for number in parts for text in (number.prefix, number.suffix) if text}
    is_number = len(parts) > _MAJORITY * profile.distinct and 0 < len(texts) <= _MAX_BESIDE
    return ", ".join(sorted(texts)) if is_number else ""


def _draft_text(profile: ColumnProfile) -> DraftColumn:
    """Draft a column of texts, of which errors of spreadsheets are missing values."""
    errors = {text for text in profile.texts if text.casefold() in SPREADSHEET_ERRORS}
    if not errors or len(errors) == profile.distinct:
        return _draft_words(profile)
    draft = _draft_words(profile.without(errors))
    if draft.role != "feature":
        return draft
    missing = sorted({error.casefold() for error in errors})
    return replace(draft, settings={"missing": missing, **draft.settings})


def _draft_words(profile: ColumnProfile) -> DraftColumn:
    mean_length = float(np.mean([len(text) for text in profile.texts]))
    if profile.distinct >= 0.5 * profile.filled and profile.distinct > _MAX_LISTED:
        if (
            mean_length > _FREE_TEXT_LENGTH
            or _share(profile, re.compile(r".*\S\s+\S+\s+\S.*", re.DOTALL)) > 0.5
        ):
            return ignored(profile.name, "looks like free text")
        beside = _texts_beside_numbers(profile)
        if beside:
            return ignored(
                profile.name, f"holds numbers with other texts ({beside}): write plain numbers"
            )
        return ignored(profile.name, "has a different value in nearly every row")
    if profile.distinct > max(_MAX_CATEGORIES, 0.2 * profile.rows) or profile.distinct > MAX_LEVELS:
        return ignored(profile.name, f"has {profile.distinct:,} categories, too many for a model")
    settings: dict[str, Any] = {"nullable": True}
    if profile.distinct <= _MAX_LISTED and int(profile.counts.min()) >= _MIN_ROWS_PER_LISTED:
        return DraftColumn(
            profile.name, "str", "feature", settings | {"isin": sorted(profile.texts)}
        )
    return DraftColumn(
        profile.name,
        "str",
        "feature",
        settings,
        f"{profile.distinct} categories, learned in training; others are read as missing",
    )
