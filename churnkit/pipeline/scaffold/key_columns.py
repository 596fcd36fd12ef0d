"""Infer the customer's column, the label, and the label's positive value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold import name_rules
from churnkit.pipeline.scaffold.column_roles import DraftColumn
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["draft_label", "find_entity", "find_label"]

# Beginnings of values that mean churned, or stayed.
_CHURNED = (
    "churn", "attrit", "left", "leave", "exit", "cancel", "lost", "gone", "quit", "lapse", "inactive",
    "closed", "terminat", "stopped", "yes", "true", "former", "non-renew", "not renew",
)  # fmt: skip
_STAYED = (
    "stay", "exist", "active", "retain", "current", "no", "false", "loyal", "renew", "kept", "open",
    "not churn", "non-churn", "non churn", "joined", "remain",
)  # fmt: skip
_YES = {"y", "t", "j", "ja", "oui", "si", "sí", "sim", "wahr", "vrai", "vero"}
_NO = {"n", "f", "nein", "non", "não", "nee", "falsch", "faux", "falso"}
_MAX_NAMES = 6


def refuse_unknown_column(
    table: str, columns: Mapping[str, ColumnProfile], option: str, name: str
) -> None:
    """Refuse an option that names a column which the table does not have.

    Raises
    ------
    ChurnkitError
        With the most similar column.
    """
    if name not in columns:
        raise ChurnkitError(
            f"{table} has no column '{name}' ({option}); {did_you_mean(name, columns)}"
        )


def find_entity(table: str, columns: Mapping[str, ColumnProfile]) -> str:
    """Find the customer's column, by its name and its distinct values.

    Raises
    ------
    ChurnkitError
        If there is none or several, with the candidates.
    """
    usable = [column for column in columns.values() if column.name and column.texts]
    for matches in (name_rules.is_customer_id, name_rules.is_id):
        names = [c.name for c in usable if matches(c.name) and _is_mostly_unique(c)]
        if len(names) == 1:
            return names[0]
        if names:
            raise ChurnkitError(
                f"{table}: {_list_names(names)} could each be the customer's id: choose one with "
                f"--entity {names[0]}"
            )
    candidates = [
        column.name
        for column in usable
        if name_rules.is_customer_id(column.name)
        or name_rules.is_id(column.name)
        or column.distinct == column.rows
    ]
    hint = f"; candidates: {_list_names(candidates)}" if candidates else ""
    raise ChurnkitError(
        f"{table}: no column is recognized as the customer's id: name it with --entity COLUMN{hint}"
    )


def _is_mostly_unique(profile: ColumnProfile) -> bool:
    return profile.distinct >= 0.5 * max(profile.filled, 1)


def _list_names(columns: list[str]) -> str:
    names = ", ".join(f"'{name}'" for name in columns[:_MAX_NAMES])
    more = f" and {len(columns) - _MAX_NAMES} more" if len(columns) > _MAX_NAMES else ""
    return names + more


def find_label(table: str, columns: Mapping[str, ColumnProfile]) -> str:
    """Find the label, by its name and its two values.

    Raises
    ------
    ChurnkitError
        If there is none, with the candidates.
    """
    ratings = {c.name: name_rules.is_label(c.name) for c in columns.values() if c.name}
    counts = {c.name: _count_values(c.texts)[0] for c in columns.values()}
    for certainty in (2, 1):
        names = [n for n, rating in ratings.items() if rating == certainty and counts[n] == 2]
        if names:
            # Of "Churn Label" and "Churn Value" the leakage guard leaves the other one out.
            return min(names, key=lambda n: (len(name_rules.split_words(n)), names.index(n)))
    rated = [name for name, rating in ratings.items() if rating]
    if rated:
        raise ChurnkitError(
            f"{table}: column '{rated[0]}' has the name of a label and {counts[rated[0]]} values; "
            "a label has two, churned and stayed: name another with --label COLUMN"
        )
    binary = [name for name, count in counts.items() if count == 2 and name]
    hint = f"; columns with two values: {_list_names(binary)}" if binary else ""
    raise ChurnkitError(
        f"{table}: no column is recognized as the churn label: name it with --label COLUMN{hint}"
    )


def draft_label(table: str, profile: ColumnProfile, positive: str | None) -> DraftColumn:
    """Draft the label's column.

    Raises
    ------
    ChurnkitError
        If it does not have two values, or the positive one cannot be inferred.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.pipeline.scaffold.column_profile import profile_column
    >>> flag = profile_column("flag", pa.chunked_array([["Existing Customer", "Attrited Customer"]]))
    >>> draft_label("customers.csv", flag, None).settings["positive"]
    'Attrited Customer'
    """
    values = sorted(text for text in profile.texts if text.casefold() not in MISSING_TEXTS)
    if positive is not None and positive not in values:
        raise ChurnkitError(
            f"{table}: column '{profile.name}' has no value '{positive}' (--positive): use a value "
            "as written in the table"
        )
    count, is_boolean = _count_values(values)
    if count != 2 or len(values) != len(profile.texts):
        raise ChurnkitError(
            f"{table}: the label '{profile.name}' has {_describe_count(count, profile)}; it must "
            "have two, churned and stayed: leave out or rename the others, or name another with "
            "--label"
        )
    if is_boolean and (positive is None or read_boolean(positive, lenient=True)):
        return DraftColumn(profile.name, "bool", "label")
    churned = positive or _infer_positive(table, profile.name, values)
    settings: dict[str, Any] = {"positive": churned, "isin": values}
    review = "" if positive else f"'{churned}' is assumed to mean churned"
    return DraftColumn(profile.name, "str", "label", settings, review)


def _count_values(texts: Iterable[str]) -> tuple[int, bool]:
    """Count a label's values, and return True if they are booleans in any notation."""
    values = set(texts)
    codes = {read_boolean(text, lenient=True) for text in values}
    is_boolean = not any(code is NOT_READABLE for code in codes)
    return len(codes) if is_boolean else len(values), is_boolean


def _describe_count(count: int, profile: ColumnProfile) -> str:
    if any(text.casefold() in MISSING_TEXTS for text in profile.texts):
        return f"{profile.distinct} values, some of which mean missing"
    return "one value only" if count == 1 else f"{count} values"


def _infer_positive(table: str, column: str, values: list[str]) -> str:
    """Infer which of two values means churned."""
    texts = [value.casefold() for value in values]
    stayed = [i for i, text in enumerate(texts) if text in _NO or text.startswith(_STAYED)]
    churned = [
        i
        for i, text in enumerate(texts)
        if i not in stayed and (text in _YES or text.startswith(_CHURNED))
    ]
    if len(churned) == 1:
        return values[churned[0]]
    if len(stayed) == 1 and not churned:
        return values[1 - stayed[0]]
    raise ChurnkitError(
        f"{table}: the value of '{column}' that means churned is ambiguous: name it with "
        "--positive VALUE"
    )
