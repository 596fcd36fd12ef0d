"""Draft the label's column, and the values that mean churned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean, read_number
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_roles import DraftColumn
from churnkit.pipeline.scaffold.keys.date_columns import DateFormat, detect_dates
from churnkit.pipeline.scaffold.keys.label_column import (
    MAX_VALUES,
    holds_years,
    is_reason,
    is_yes_no,
    label_values,
    list_names,
    means_churned,
)
from churnkit.pipeline.scaffold.keys.label_names import (
    name_direction,
    name_rating,
    value_direction,
    yes_or_no,
)
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["describe_label", "draft_label"]

_FILLED = "a value means churned, a blank means stayed"


def draft_label(table: str, profile: ColumnProfile, positive: Sequence[str] = ()) -> DraftColumn:
    """Draft the label's column; what cannot be inferred is a ``todo`` of the field.

    Parameters
    ----------
    table
        Name of the table for messages.
    profile
        The column.
    positive
        The values for churned, if they are stated.

    Raises
    ------
    ChurnkitError
        If a value of ``--positive`` is not in the table.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> flag = profile_column("flag", pa.chunked_array([["Existing Customer", "Attrited Customer"]]))
    >>> draft_label("customers.csv", flag).settings["positive"]
    'Attrited Customer'
    """
    for value in positive:
        if value not in profile.texts:
            raise ChurnkitError(
                f"{table}: column '{profile.name}' has no value '{value}' (--positive): use a value "
                "as written in the table"
            )
    values = label_values(profile)
    missing = sorted({t.casefold() for t in profile.texts if t.casefold() in MISSING_TEXTS})
    blank: dict[str, Any] = {"missing": missing} if missing else {}
    if not positive and (detect_dates(profile) is not None or holds_years(profile)):
        return _draft_date_label(profile)
    if not positive and (is_reason(profile) or means_churned(profile)):
        return DraftColumn(profile.name, "str", "label", {"nullable": True, **blank}, _FILLED)
    if len(values) < 2:
        return _draft_one_value(profile, values, blank)
    if all(read_boolean(v, lenient=True) is not NOT_READABLE for v in values):
        return _draft_boolean_label(profile, positive, blank)
    if len(values) == 2:
        column = _draft_pair(profile, values, positive, blank)
        if column is not None:
            return column
    if is_yes_no(values) and not positive and (direction := name_direction(profile.name)):
        positive = [value for value in values if yes_or_no(value) is (direction > 0)]
    return _draft_values(profile, values, positive, blank)


def _draft_one_value(
    profile: ColumnProfile, values: list[str], blank: dict[str, Any]
) -> DraftColumn:
    """Ask for the meaning of the blanks, or for another column."""
    if values and profile.rows_with(set(values)) < profile.rows:
        question = (
            "has one value and blanks: replace todo by nullable=True if the value means churned and "
            "a blank stayed; otherwise write a word in place of the blanks, and run churnkit init "
            "again"
        )
        return _question(profile, "str", blank, question)
    count = "one value only" if values else "no value"
    return _question(profile, "str", blank, f"has {count}: a label needs churned and stayed")


def _draft_date_label(profile: ColumnProfile) -> DraftColumn:
    dates = DateFormat("YYYY") if holds_years(profile) else detect_dates(profile)
    settings: dict[str, Any] = {"nullable": True}
    if dates is not None and dates.written:
        settings["written"] = dates.written
    if dates is not None and dates.empty:
        settings["missing"] = list(dates.empty)
    if not profile.missing and not (dates and (dates.empty or dates.open)):
        return _question(
            profile, "Utc", settings, "has a date in every row: customers who stayed need a blank"
        )
    words = [f"'{text}'" for text in dates.empty] if dates else []
    stayed = " or ".join(["a blank", *words, *(dates.open if dates else ())])
    review = f"a date means churned, {stayed} means stayed"
    if dates is not None and dates.review:
        review += f"; {dates.review}"
    return DraftColumn(profile.name, "Utc", "label", settings, review)


def _draft_boolean_label(
    profile: ColumnProfile, positive: Sequence[str], settings: dict[str, Any]
) -> DraftColumn:
    """Draft a label of true and false: the name shows which of them means churned."""
    if positive:
        churned = bool(read_boolean(positive[0], lenient=True))
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
    profile: ColumnProfile, values: list[str], positive: Sequence[str], blank: dict[str, Any]
) -> DraftColumn | None:
    """Draft a label of yes and no in another language, or of two numbers; None for words."""
    answers = [yes_or_no(value) for value in values]
    numbers = [read_number(value, lenient=True) for value in values]
    settings: dict[str, Any] = {"positive": _one_or_several(positive), "isin": values, **blank}
    if set(answers) == {True, False}:
        yes, no = values[answers.index(True)], values[answers.index(False)]
    elif sorted(numbers) in ([-1.0, 1.0], [0.0, numbers[0]], [0.0, numbers[1]]):
        yes, no = values[numbers.index(max(numbers))], values[numbers.index(min(numbers))]
    elif all(number is not NOT_READABLE for number in numbers):
        if not positive:
            return _question(profile, "str", settings, _which(values))
        return DraftColumn(profile.name, "str", "label", settings)
    else:
        return None
    if positive:
        return DraftColumn(profile.name, "str", "label", settings)
    direction = name_direction(profile.name)
    settings["positive"] = churned = no if direction < 0 else yes
    if not direction and name_rating(profile.name) != 2:
        return _question(profile, "str", settings, _which(values))
    review = f"'{churned}' is assumed to mean churned"
    return DraftColumn(profile.name, "str", "label", settings, review)


def _one_or_several(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _which(values: Sequence[str], churned: Sequence[str] = ()) -> str:
    """Ask which values mean churned."""
    if len(churned) > 1:
        stayed = [value for value in values if value not in churned]
        return (
            f"several values may mean churned: set positive to one of {list_names(churned)}, and delete "
            f"todo; or replace todo by positive={list(churned)!r} if all of them do; all others mean "
            f"stayed: {list_names(stayed)}"
        )
    more = ", or to several, as in positive=['A', 'B']," if len(values) > 2 else ","
    return (
        f"the value that means churned is ambiguous: set positive to one of {list_names(values)}"
        f"{more} and delete todo"
    )


def _draft_values(
    profile: ColumnProfile, values: list[str], positive: Sequence[str], blank: dict[str, Any]
) -> DraftColumn:
    """Draft a label of words: some values mean churned, all others mean stayed."""
    settings: dict[str, Any] = {"isin": values, **blank}
    directions = {value: value_direction(value) for value in values}
    churned = list(positive) or [v for v, direction in directions.items() if direction == 1]
    unknown = [value for value, direction in directions.items() if not direction]
    if not positive:
        if len(values) > MAX_VALUES:
            settings.pop("isin")
            return _question(
                profile,
                "str",
                settings,
                f"has {len(values):,} values; a label has few: set positive to the one that means "
                "churned, and delete todo, or change another column to label(...)",
            )
        if len(values) == 2 and not churned and len(unknown) == 1:
            churned = unknown
        # One word may be written in several ways.
        if len({value.casefold() for value in churned}) != 1:
            return _question(profile, "str", settings, _which(values, churned))
    settings = {"positive": _one_or_several(churned), **settings}
    others = [value for value in values if value not in churned]
    means = "means" if len(churned) == 1 else "mean"
    review = f"{list_names(churned)} is assumed to mean churned"
    if len(others) > 1:
        review = f"{list_names(churned)} {means} churned; stayed: {list_names(others)}"
    elif positive:
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
    positive = column.settings.get("positive")
    if column.type == "Utc":
        meaning = "a date means churned"
    elif column.type == "bool":
        meaning = f"{str(True if positive is None else positive).lower()} means churned"
    elif positive is None:
        meaning = _FILLED
    else:
        values = positive if isinstance(positive, list) else [positive]
        meaning = f"{list_names(values)} {'means' if len(values) == 1 else 'mean'} churned"
    share = churned / max(rows, 1)
    return f"'{column.name}': {meaning}, in {churned:,} of {rows:,} rows ({share:.1%})"
