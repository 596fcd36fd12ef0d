"""Infer the label: its column, and the value that means churned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean, read_number
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import DraftColumn
from churnkit.pipeline.scaffold.keys.date_columns import DateFormat, detect_dates
from churnkit.pipeline.scaffold.keys.label_names import (
    name_direction,
    name_rating,
    value_direction,
    yes_or_no,
)
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["describe_label", "draft_label", "find_label", "list_names"]

_MAX_VALUES = 12
_MAX_STATES = 4
# Shape of two values of which neither is known to mean churned or stayed.
_UNKNOWN = 4
_YEAR = re.compile(r"(?:19|20)[0-9]{2}(?:\.0+)?")
_MAX_NAMES = 6
_OTHER_FILE = (
    "if the outcomes are in another file, join them to this one by the customer's id first"
)


def list_names(names: Sequence[str]) -> str:
    """List names in quotes, at most six.

    Examples
    --------
    >>> list_names(["a", "b"])
    "'a', 'b'"
    """
    listed = ", ".join(f"'{name}'" for name in names[:_MAX_NAMES])
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return listed + more


def find_label(columns: Mapping[str, ColumnProfile]) -> tuple[str | None, str]:
    """Find the label by its name and its values.

    Returns
    -------
    name
        Column of the label, or the best guess; None if no column has two values.
    question
        The open question of a guess; empty if the name is that of a label.
    """
    shapes = {name: _shape(column) for name, column in columns.items() if name.strip()}
    rated = {n: rating for n, shape in shapes.items() if shape and (rating := name_rating(n))}
    candidates = {n: rating for n, rating in rated.items() if shapes[n] < _UNKNOWN} or rated
    if candidates:
        names = [n for n, rating in candidates.items() if rating == max(candidates.values())]
        # Of "Churn Label" and "Churn Value" the leakage guard leaves the other one out.
        return min(names, key=lambda n: (*_preference(n, columns[n]), names.index(n))), ""
    by_value = [name for name, column in columns.items() if _has_churn_value(column)]
    if len(by_value) == 1:
        return by_value[0], ""
    binary = [name for name, column in columns.items() if len(_values(column)) == 2]
    hint = "; columns with two values: " + list_names(binary[::-1]) if binary else ""
    question = (
        "no column has the name of a churn label: change this field to the right column, as in "
        f"label(positive=...), and delete todo; {_OTHER_FILE}{hint}"
    )
    return (binary[-1] if binary else None), question


def _preference(name: str, column: ColumnProfile) -> tuple[int, int]:
    return _shape(column), len(name_rules.split_words(name))


def _has_churn_value(column: ColumnProfile) -> bool:
    """Return True for a few values of which one is a word for churned."""
    values = _values(column)
    is_label = 2 <= len(values) <= _MAX_STATES and not detect_dates(column)
    churned = [value for value in values if value_direction(value) == 1]
    return is_label and len(churned) == 1 and name_rating(churned[0]) == 4


def _shape(column: ColumnProfile) -> int:
    """Rate a column's values as those of a label.

    1 for two values, 2 for several, 3 for dates, 4 for two values that may be a churned customer's
    reason, and 0 for others.
    """
    values = _values(column)
    if detect_dates(column) is not None or _holds_years(column):
        return 3 if name_rating(column.name) == 4 else 0
    if len(values) == 2:
        is_clear = not column.missing or any(map(_is_clear, values))
        return 1 if is_clear else _UNKNOWN
    several = 2 < len(values) <= _MAX_VALUES
    return 2 if several and sum(value_direction(value) == 1 for value in values) == 1 else 0


def _is_clear(value: str) -> bool:
    is_answer = yes_or_no(value) is not None or read_number(value, lenient=True) is not NOT_READABLE
    return is_answer or value_direction(value) != 0


def _holds_years(column: ColumnProfile) -> bool:
    """Return True for years that only some rows have, as a year of cancellation."""
    is_year = column.missing and "year" in name_rules.split_words(column.name)
    return bool(is_year and column.texts and all(map(_YEAR.fullmatch, column.texts)))


def _values(column: ColumnProfile) -> list[str]:
    """Return the distinct values without words for missing ones; booleans in any case as one."""
    texts = [text for text in column.texts if text.casefold() not in MISSING_TEXTS]
    codes = {read_boolean(text, lenient=True) for text in texts}
    if len(codes) <= 2 and not any(code is NOT_READABLE for code in codes):
        return [next(t for t in texts if read_boolean(t, lenient=True) == code) for code in codes]
    return sorted(texts)


def draft_label(table: str, profile: ColumnProfile, positive: str | None) -> DraftColumn:
    """Draft the label's column; what cannot be inferred is a ``todo`` of the field.

    Raises
    ------
    ChurnkitError
        If the value of ``--positive`` is not in the table.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> flag = profile_column("flag", pa.chunked_array([["Existing Customer", "Attrited Customer"]]))
    >>> draft_label("customers.csv", flag, None).settings["positive"]
    'Attrited Customer'
    """
    if positive is not None and positive not in profile.texts:
        raise ChurnkitError(
            f"{table}: column '{profile.name}' has no value '{positive}' (--positive): use a value "
            "as written in the table"
        )
    values = _values(profile)
    missing = sorted({t.casefold() for t in profile.texts if t.casefold() in MISSING_TEXTS})
    blank: dict[str, Any] = {"missing": missing} if missing else {}
    if positive is None and (detect_dates(profile) is not None or _holds_years(profile)):
        return _draft_date_label(profile)
    if len(values) < 2:
        count = "one value only" if values else "no value"
        return _question(profile, "str", blank, f"has {count}: a label needs churned and stayed")
    if all(read_boolean(v, lenient=True) is not NOT_READABLE for v in values):
        return _draft_boolean_label(profile, positive, blank)
    if len(values) == 2:
        column = _draft_pair(profile, values, positive, blank)
        if column is not None:
            return column
    return _draft_values(profile, values, positive, blank)


def _draft_date_label(profile: ColumnProfile) -> DraftColumn:
    dates = DateFormat("YYYY") if _holds_years(profile) else detect_dates(profile)
    settings: dict[str, Any] = {"nullable": True}
    if dates is not None and dates.written:
        settings["written"] = dates.written
    if dates is not None and dates.empty:
        settings["missing"] = list(dates.empty)
    if not profile.missing and not (dates and dates.empty):
        return _question(
            profile, "Utc", settings, "has a date in every row: customers who stayed need a blank"
        )
    if dates is not None and dates.is_open_ended:
        return _question(
            profile,
            "Utc",
            settings,
            "has dates in the far future, such as 9999-12-31: leave them blank in the file",
        )
    return DraftColumn(
        profile.name, "Utc", "label", settings, "a date means churned, a blank means stayed"
    )


def _draft_boolean_label(
    profile: ColumnProfile, positive: str | None, settings: dict[str, Any]
) -> DraftColumn:
    """Draft a label of true and false: the name tells which of them means churned."""
    if positive is not None:
        churned = bool(read_boolean(positive, lenient=True))
        review = ""
    else:
        direction = name_direction(profile.name)
        churned = direction >= 0
        review = f"{_written(profile, churned)} is assumed to mean churned"
        if not direction and name_rating(profile.name) != 2:
            yes, no = _written(profile, True), _written(profile, False)
            return _question(
                profile,
                "bool",
                settings,
                f"the name does not show whether {yes} or {no} means churned: delete todo if it is "
                f"{yes}, or replace it by positive=False if it is {no}",
            )
    if not churned:
        settings = settings | {"positive": False}
    return DraftColumn(profile.name, "bool", "label", settings, review)


def _written(profile: ColumnProfile, value: bool) -> str:  # noqa: FBT001 - a value of the column
    texts = (t for t in profile.texts if read_boolean(t, lenient=True) == float(value))
    return f"'{next(texts, value)}'"


def _draft_pair(
    profile: ColumnProfile, values: list[str], positive: str | None, blank: dict[str, Any]
) -> DraftColumn | None:
    """Draft a label of yes and no in another language, or of two numbers; None for words."""
    answers = [yes_or_no(value) for value in values]
    numbers = [read_number(value, lenient=True) for value in values]
    settings: dict[str, Any] = {"positive": positive, "isin": values, **blank}
    if set(answers) == {True, False}:
        yes, no = values[answers.index(True)], values[answers.index(False)]
    elif sorted(numbers) in ([-1.0, 1.0], [0.0, numbers[0]], [0.0, numbers[1]]):
        yes, no = values[numbers.index(max(numbers))], values[numbers.index(min(numbers))]
    elif all(number is not NOT_READABLE for number in numbers):
        if positive is None:
            return _question(profile, "str", settings, _which(values))
        return DraftColumn(profile.name, "str", "label", settings)
    else:
        return None
    if positive is not None:
        return DraftColumn(profile.name, "str", "label", settings)
    direction = name_direction(profile.name)
    settings["positive"] = churned = no if direction < 0 else yes
    if not direction and name_rating(profile.name) != 2:
        return _question(profile, "str", settings, _which(values))
    review = f"'{churned}' is assumed to mean churned"
    return DraftColumn(profile.name, "str", "label", settings, review)


def _which(values: Sequence[str]) -> str:
    return (
        f"the value that means churned is ambiguous: set positive to one of {list_names(values)}, "
        "and delete todo"
    )


def _draft_values(
    profile: ColumnProfile, values: list[str], positive: str | None, blank: dict[str, Any]
) -> DraftColumn:
    """Draft a label of words: one value means churned, all others mean stayed."""
    settings: dict[str, Any] = {"positive": positive or values[0], "isin": values, **blank}
    directions = {value: value_direction(value) for value in values}
    churned = [value for value, direction in directions.items() if direction == 1]
    unknown = [value for value, direction in directions.items() if not direction]
    if positive is None:
        if len(values) > _MAX_VALUES:
            settings.pop("isin")
            return _question(
                profile,
                "str",
                settings,
                f"has {len(values):,} values; a label has few: set positive to the one that means "
                "churned, and delete todo, or change another column to label(...)",
            )
        if len(churned) == 1:
            settings["positive"] = churned[0]
        elif len(values) == 2 and not churned and len(unknown) == 1:
            settings["positive"] = unknown[0]
        else:
            return _question(profile, "str", settings, _which(values))
    others = [value for value in values if value != settings["positive"]]
    review = f"'{settings['positive']}' is assumed to mean churned"
    if len(others) > 1:
        review = f"'{settings['positive']}' means churned; stayed: {list_names(others)}"
    elif positive is not None:
        review = ""
    return DraftColumn(profile.name, "str", "label", settings, review)


def _question(
    profile: ColumnProfile, kind: str, settings: dict[str, Any], question: str
) -> DraftColumn:
    # A guess would be trained on, inverted or not, as soon as the question is deleted.
    settings = {name: value for name, value in settings.items() if name != "positive"}
    return DraftColumn(profile.name, kind, "label", {**settings, "todo": question})


def describe_label(column: DraftColumn, churned: int, rows: int) -> str:
    """Describe the label, its value for churned, and how many rows have it.

    Examples
    --------
    >>> describe_label(DraftColumn("Churn", "bool", "label", {}), 250, 1000)
    "'Churn': true means churned, in 250 of 1,000 rows (25.0%)"
    """
    if column.type == "Utc":
        meaning = "a date means churned"
    elif column.type == "bool":
        meaning = f"{str(column.settings.get('positive', True)).lower()} means churned"
    else:
        meaning = f"'{column.settings.get('positive')}' means churned"
    share = churned / max(rows, 1)
    return f"'{column.name}': {meaning}, in {churned:,} of {rows:,} rows ({share:.1%})"
