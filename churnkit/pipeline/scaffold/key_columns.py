"""Check columns that options name, and infer which value of a label means churned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.scalars import NOT_READABLE, read_boolean
from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_roles import DraftColumn
from churnkit.pipeline.scaffold.number_columns import MISSING_TEXTS
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from churnkit.pipeline.scaffold.column_profile import ColumnProfile

__all__ = ["draft_label", "refuse_unknown_column"]

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
