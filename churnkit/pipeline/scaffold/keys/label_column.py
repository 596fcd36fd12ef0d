"""Find the column of the label by its name and its values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean, read_number
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.keys.date_columns import detect_dates
from churnkit.pipeline.scaffold.keys.label_names import (
    is_leaving_name,
    is_prediction,
    name_direction,
    name_rating,
    value_direction,
    yes_or_no,
)
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = [
    "MAX_VALUES",
    "describe_constant",
    "find_label",
    "holds_years",
    "is_reason",
    "is_yes_no",
    "label_values",
    "list_names",
    "means_churned",
    "names_reason",
]

MAX_VALUES = 12
_MAX_STATES = 4
# Shapes of two values of which neither is known to mean churned or stayed, and of reasons.
_UNKNOWN, _REASONS = 4, 5
# Rating of names and values with a word for churn.
_CHURN = 4
_YEAR = re.compile(r"(?:(?:19|20)[0-9]{2}|9999)(?:\.0+)?")
_END_WORDS = {
    "end", "ended", "ends", "until", "closed", "expired", "terminated", "termination", "left", "leaving",
    "exit", "departure", "ende", "bis", "austritt", "fin", "fecha_fin", "baja",
}  # fmt: skip
_LAST_DAYS = ({"last", "working"}, {"last", "day"}, {"last", "workday"})
_REASON_WORDS = {
    "reason", "reasons", "cause", "comment", "motive", "type", "category", "grund", "gründe", "motif",
    "raison", "motivo", "causa", "reden", "理由",
}  # fmt: skip
_REASONS_ALONE = _REASON_WORDS - {"comment", "type", "category"}
_MAX_NAMES = 6
_NAMED = 3
_REASON_ENDS = ("grund", "gründe", "reason", "reden")
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
    # Another model's prediction is the label only of a table without another one.
    rated = {n: rating for n, rating in rated.items() if not is_prediction(n)} or rated
    candidates = {n: rating for n, rating in rated.items() if shapes[n] < _UNKNOWN} or rated
    if candidates:
        names = [n for n, rating in candidates.items() if rating == max(candidates.values())]
        # Of "Churn Label" and "Churn Value" the leakage guard leaves the other one out.
        return min(names, key=lambda n: (*_preference(n, columns[n]), names.index(n))), ""
    by_value = [name for name, column in columns.items() if _has_churn_value(column)]
    if len(by_value) == 1:
        return by_value[0], ""
    ends = [name for name, column in columns.items() if _is_end(column)]
    if ends:
        return ends[0], (
            "a date may mean churned: delete todo if it does, or change another field to "
            f"label(positive=...); {_OTHER_FILE}"
        )
    binary = [name for name, column in columns.items() if len(label_values(column)) == 2]
    hint = "; columns with two values: " + list_names(binary[::-1]) if binary else ""
    question = (
        "no column has the name of a churn label: change this field to the right column, as in "
        f"label(positive=...), and delete todo; {_OTHER_FILE}{hint}"
    )
    return (binary[-1] if binary else None), question


def describe_constant(columns: Mapping[str, ColumnProfile]) -> str:
    """Describe the column that is named as the label and has one value; empty if none is.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> describe_constant({"churned": profile_column("churned", pa.chunked_array([[1, 1]]))})
    "all 2 customers in 'churned' have churned: add customers who stayed"
    """
    for name, column in columns.items():
        values = label_values(column)
        is_named = name_rating(name) >= _NAMED and not is_prediction(name)
        if not is_named or len(values) != 1 or _has_blanks(column) or detect_dates(column):
            continue
        sign = value_direction(values[0])
        number = read_number(values[0], lenient=True)
        answer = yes_or_no(values[0]) if number is NOT_READABLE else bool(number)
        if not sign and answer is not None:
            sign = name_direction(name) * (1 if answer else -1)
        if sign:
            done, missing = ("churned", "stayed") if sign > 0 else ("stayed", "churned")
            return f"all {column.rows:,} customers in '{name}' have {done}: add customers who {missing}"
    return ""


def _preference(name: str, column: ColumnProfile) -> tuple[int, int]:
    return _shape(column), len(name_rules.split_words(name))


def _has_churn_value(column: ColumnProfile) -> bool:
    """Return True for a few values of which some are words for churned."""
    values = label_values(column)
    is_label = 2 <= len(values) <= _MAX_STATES and not detect_dates(column)
    churned = [value for value in values if value_direction(value) == 1]
    is_churned = any(name_rating(value) == _CHURN for value in churned)
    return is_label and is_churned and len(churned) < len(values)


def _shape(column: ColumnProfile) -> int:
    """Rate a column's values as those of a label.

    1 for two values, 2 for several or for one and blanks, 3 for dates, 4 for two values that may be
    a churned customer's reason, 5 for reasons with blanks, and 0 for others.
    """
    values = label_values(column)
    if detect_dates(column) is not None or holds_years(column):
        return 3 if name_rating(column.name) == _CHURN else 0
    if len(values) == 2 and (not column.missing or any(map(_is_clear, values))):
        return 1
    if is_reason(column):
        return _REASONS
    # Whether blanks mean churned or stayed can be a question.
    is_mark = len(values) == 1 and _has_blanks(column) and name_rating(column.name) >= _NAMED
    directions = {value_direction(value) for value in values}
    # Of a state alone, such as "on leave", no value must mean churned.
    is_clear = (
        name_rating(column.name) > 1
        or -1 in directions
        or any(value_direction(value) == 1 and name_rating(value) == _CHURN for value in values)
    )
    several = 2 < len(values) <= MAX_VALUES and 1 in directions and is_clear
    if means_churned(column) or is_mark or several or is_yes_no(values):
        return 2
    return _UNKNOWN if len(values) == 2 else 0


def is_reason(column: ColumnProfile) -> bool:
    """Return True for reasons that only churned customers have, by the name and the blanks.

    A value that means stayed, such as "Not churned", is no reason.
    """
    words = set(name_rules.split_words(column.name))
    is_named = words & _REASON_WORDS or names_reason(column.name)
    values = label_values(column)
    has_values = bool(values) and _has_blanks(column)
    if any(value_direction(value) == -1 or yes_or_no(value) is False for value in values):
        return False
    return bool(is_named) and name_rating(column.name) == _CHURN and has_values


def names_reason(name: str) -> bool:
    """Return True for the name of reasons, in several languages.

    Examples
    --------
    >>> [names_reason(name) for name in ("end_reason", "Kündigungsgrund", "plan_type")]
    [True, True, False]
    """
    words = set(name_rules.split_words(name))
    return bool(words & _REASONS_ALONE) or any(word.endswith(_REASON_ENDS) for word in words)


def means_churned(column: ColumnProfile) -> bool:
    """Return True for one value, such as yes, that churned customers have and others lack."""
    values = {value.casefold() for value in label_values(column)}
    if len(values) != 1 or not _has_blanks(column):
        return False
    value = values.pop()
    direction = value_direction(value)
    is_no = yes_or_no(value) is False or read_number(value, lenient=True) == 0.0
    is_named = name_rating(column.name) == _CHURN and name_direction(column.name) == 1
    return direction == 1 or (is_named and not is_no and not direction)


def _has_blanks(column: ColumnProfile) -> bool:
    return column.rows_with(set(column.texts) - _blank_texts(column)) < column.rows


def _blank_texts(column: ColumnProfile) -> set[str]:
    return {text for text in column.texts if text.casefold() in MISSING_TEXTS}


def _is_clear(value: str) -> bool:
    is_answer = yes_or_no(value) is not None or read_number(value, lenient=True) is not NOT_READABLE
    return is_answer or value_direction(value) != 0


def _is_end(column: ColumnProfile) -> bool:
    """Return True for dates of an end that some rows lack."""
    words = set(name_rules.split_words(column.name))
    is_named = bool(words & _END_WORDS) or any(pair <= words for pair in _LAST_DAYS)
    is_named = is_named or is_leaving_name(column.name)
    dates = detect_dates(column) if is_named else None
    return dates is not None and bool(column.missing or dates.empty or dates.open)


def holds_years(column: ColumnProfile) -> bool:
    """Return True for years that only some rows have, as a year of cancellation."""
    is_year = column.missing and "year" in name_rules.split_words(column.name)
    return bool(is_year and column.texts and all(map(_YEAR.fullmatch, column.texts)))


def is_yes_no(values: Sequence[str]) -> bool:
    """Return True for several spellings of yes and no, such as Yes, YES, y and no."""
    return len(values) > 2 and {yes_or_no(value) for value in values} == {True, False}


def label_values(column: ColumnProfile) -> list[str]:
    """List the distinct values without words for missing ones; booleans in any case as one."""
    texts = [text for text in column.texts if text.casefold() not in MISSING_TEXTS]
    codes = {read_boolean(text, lenient=True) for text in texts}
    if len(codes) <= 2 and not any(code is NOT_READABLE for code in codes):
        return [next(t for t in texts if read_boolean(t, lenient=True) == code) for code in codes]
    return sorted(texts)
