"""What a model must not learn from: the future, names, and the outcome under another name.

Each finding has a code with a page in ``docs/findings/`` and blocks training unless it is waived
by code and column: ``waive=("CK101:renewal_score",)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.errors import ChurnkitError, RecipeError
from churnkit.timeline.errors import refusal
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["CODES", "Leak", "LeakageError", "find_changes", "find_leaks", "refuse_leaks"]

CODES = {
    "CK101": "predicts too well alone",
    "CK102": "changes when later rows are added",
    "CK103": "is an id or a date",
    "CK104": "has a value that exists only after the outcome",
}
# Below this, one feature alone seldom predicts churn in any honest data.
_TOO_WELL = 0.95
# How unlikely chance must be before a value is called one of leavers alone.
_BY_CHANCE = 1e-6
_FEWEST = 50
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding about one feature.

    Parameters
    ----------
    code
        One of `CODES`.
    column
        The feature.
    measured
        What was seen, in figures and without a customer's value.
    waived
        Whether the recipe says that it is known and meant.

    Examples
    --------
    >>> print(Leak("CK101", "last_invoice", "AUC .998 alone"))
    CK101 'last_invoice' predicts too well alone (AUC .998 alone): see docs/findings/CK101.md
    """

    code: str
    column: str
    measured: str
    waived: bool = False

    def __str__(self) -> str:
        said = f"{self.code} '{self.column}' {CODES[self.code]} ({self.measured})"
        return f"{said}: {'waived' if self.waived else f'see docs/findings/{self.code}.md'}"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-able data."""
        return {
            "code": self.code,
            "column": self.column,
            "measured": self.measured,
            "waived": self.waived,
        }


class LeakageError(ChurnkitError):
    """Features tell what could not be known; `leaks` lists them."""

    def __init__(self, leaks: Sequence[Leak]) -> None:
        self.leaks = tuple(leaks)
        first = self.leaks[0]
        said = f"{len(self.leaks)} findings tell what is not known when the model is used:"
        remedy = (
            "Leave these features out or mend them; if one is meant, waive it by name: "
            f"waive=('{first.code}:{first.column}',)"
        )
        lines = [f"  - {leak}" for leak in self.leaks[:_SHOWN]]
        super().__init__("\n".join([said, *lines, remedy]))


def refuse_leaks(leaks: Iterable[Leak]) -> None:
    """Raise where a finding is not waived.

    Raises
    ------
    LeakageError
        With the findings.

    Examples
    --------
    >>> refuse_leaks([Leak("CK103", "account", "400 of 400 differ", waived=True)])
    """
    open_leaks = [leak for leak in leaks if not leak.waived]
    if open_leaks:
        raise LeakageError(open_leaks)


def find_leaks(
    table: Any,
    *,
    label: str,
    entity: str,
    as_of: str | None = None,
    features: Sequence[str] | None = None,
    waive: Sequence[str] = (),
    max_auc: float = _TOO_WELL,
) -> tuple[Leak, ...]:
    """Look for leaks in a training table.

    Parameters
    ----------
    table
        Any table with one row for each customer and date.
    label
        The column of zeros and ones, or truth values; rows without one are left out.
    entity
        The column that names the customer.
    as_of
        The column with the date, if there is one.
    features
        What is looked at; all other columns if not given.
    waive
        Findings that are known and meant, as ``"CK101:column"``.
    max_auc
        The area under the ROC curve from which one feature alone predicts too well.

    Returns
    -------
    tuple of Leak
        In the order of the columns; waived ones are marked.

    Raises
    ------
    RecipeError
        If a waiver is not of the form ``"CK101:column"`` or names no feature.

    Examples
    --------
    >>> rows = [
    ...     {"id": n, "churned": n % 4 == 0, "refund": 9.0 if n % 4 == 0 else None, "use": n % 7}
    ...     for n in range(400)
    ... ]
    >>> [leak.code for leak in find_leaks(rows, label="churned", entity="id")]
    ['CK101']
    """
    from churnkit.contracts.arrow_interop import as_arrow

    arrow = as_arrow(table, name="the training table")
    for name in (label, entity):
        if name not in arrow.column_names:
            said = f"column '{name}' is missing; {did_you_mean(name, arrow.column_names)}"
            raise refusal("the training table", said)
    if not _is_number(arrow[label].type):
        said = f"column '{label}' is the label and must hold 1 and 0, or true and false"
        raise refusal("the training table", said)
    arrow = arrow.filter(pc.is_valid(arrow[label]))
    aside = {label, entity, as_of}
    names = list(features) if features else [n for n in arrow.column_names if n not in aside]
    waived = _waivers(waive, names)
    left = np.asarray(arrow[label].cast(pa.float64())) > 0
    customers = pc.count_distinct(arrow[entity]).as_py()
    found = []
    for name in names:
        for code, measured in _looked_at(arrow[name], left, customers, max_auc):
            found.append(Leak(code, name, measured, waived=(code, name) in waived))
    return tuple(found)


def find_changes(
    before: Any, after: Any, *, keys: Sequence[str], waive: Sequence[str] = ()
) -> tuple[Leak, ...]:
    """Compare one set of snapshots built twice: before and after later rows came in.

    Parameters
    ----------
    before, after
        The same snapshots, from the tables as they were at the dates and as they are now.
    keys
        The columns that name a row: customer and date.
    waive
        As in `find_leaks`.

    Returns
    -------
    tuple of Leak
        One for each column that differs in a row that both have.

    Examples
    --------
    >>> then = [{"id": 1, "plan": "basic", "spend": 2.5}]
    >>> now = [{"id": 1, "plan": "left", "spend": 2.5}]
    >>> print(*find_changes(then, now, keys=["id"]))
    CK102 'plan' changes when later rows are added (1 of 1 rows): see docs/findings/CK102.md
    """
    from churnkit.contracts.arrow_interop import as_arrow

    first, second = as_arrow(before, name="before"), as_arrow(after, name="after")
    names = [n for n in first.column_names if n not in keys and n in second.column_names]
    waived = _waivers(waive, names)
    joined = first.join(second, list(keys), right_suffix=" after", join_type="inner")
    found = []
    for name in names:
        changed = _unequal(joined[name], joined[f"{name} after"])
        if changed:
            measured = f"{changed:,} of {joined.num_rows:,} rows"
            found.append(Leak("CK102", name, measured, waived=("CK102", name) in waived))
    return tuple(found)


def _unequal(a: pa.ChunkedArray, b: pa.ChunkedArray) -> int:
    same = pc.fill_null(pc.equal(a, b.cast(a.type)), False)
    both_missing = pc.and_(pc.is_null(a, nan_is_null=True), pc.is_null(b, nan_is_null=True))
    return int(len(a) - (pc.sum(pc.or_(same, both_missing)).as_py() or 0))


def _waivers(waive: Sequence[str], names: Sequence[str]) -> set[tuple[str, str]]:
    found = set()
    for one in waive:
        code, _, column = str(one).partition(":")
        if code not in CODES or column not in names:
            raise RecipeError(
                f"waive: '{one}' names no code and feature; write 'CK101:column', with a code of "
                f"{', '.join(CODES)} and a feature that there is"
            )
        found.add((code, column))
    return found


def _looked_at(
    column: pa.ChunkedArray, left: NDArray[np.bool_], customers: int, max_auc: float
) -> list[tuple[str, str]]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_temporal(kind):
        return [("CK103", "it is of a type of dates")]
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    found = []
    distinct = pc.count_distinct(column).as_py()
    if text and _are_dates(column):
        return [("CK103", "its texts are dates")]
    if _name_customers(kind, distinct, customers, text=text):
        return [("CK103", f"{distinct:,} values for {customers:,} customers")]
    if text:
        found += _only_of_leavers(column, left)
    score = _score(column, left, text=text)
    if score is not None:
        area = _area(score, left)
        if max(area, 1.0 - area) >= max_auc:
            found.append(("CK101", f"AUC {max(area, 1.0 - area):.3f} alone"))
    return found


def _are_dates(column: pa.ChunkedArray) -> bool:
    known = pc.drop_null(column)
    if len(known) < _FEWEST:
        return False
    dates = pc.match_substring_regex(known, r"^\s*\d{4}-\d{2}-\d{2}([T ]|\s*$)")
    return bool(pc.mean(pc.cast(dates, pa.float64())).as_py() > 0.95)


def _name_customers(kind: pa.DataType, distinct: int, customers: int, *, text: bool) -> bool:
    """Tell whether a column has a value for each customer, as names and numbers of accounts do."""
    if customers < _FEWEST:
        return False
    if text:
        return distinct >= 0.95 * customers
    return bool(pa.types.is_integer(kind) and customers >= 2 * _FEWEST and distinct == customers)


def _only_of_leavers(column: pa.ChunkedArray, left: NDArray[np.bool_]) -> list[tuple[str, str]]:
    """Find categories that no customer who stayed has, beyond chance."""
    if not len(left) or left.all():
        return []
    _, count, gone = _categories(column, left)
    share = left.mean()
    never_stayed = (gone == count) & (share ** count.astype(float) < _BY_CHANCE)
    if not never_stayed.any():
        return []
    rows = int(count[never_stayed].sum())
    return [("CK104", f"{int(never_stayed.sum())} categories, {rows:,} rows, all of leavers")]


def _categories(
    column: pa.ChunkedArray, left: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    codes = np.asarray(encoded.indices).astype(np.intp)
    gone: NDArray[np.float64] = np.bincount(codes, weights=left).astype(np.float64)
    return codes, np.bincount(codes), gone


def _score(
    column: pa.ChunkedArray, left: NDArray[np.bool_], *, text: bool
) -> NDArray[np.float64] | None:
    """Return a number for each row that orders it by this column alone."""
    if text:
        codes, count, gone = _categories(column, left)
        # A row's own label does not count for its category, or rare ones would all predict.
        rest = gone[codes] - left
        scored: NDArray[np.float64] = (rest + left.mean()) / count[codes]
        return scored
    if not _is_number(column.type):
        return None
    values = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    missing = np.isnan(values)
    if not missing.any():
        return values
    # Missing is a value of its own: it stands where the leavers among it put it.
    low = left[missing].mean() < left[~missing].mean() if (~missing).any() else True
    upward = not (~missing).any() or _area(values[~missing], left[~missing]) >= 0.5
    edge = -np.inf if low == upward else np.inf
    return np.where(missing, edge, values)


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def _area(score: NDArray[np.float64], left: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve, ties counted half; .5 where one side is empty."""
    positives = int(left.sum())
    negatives = len(left) - positives
    if not positives or not negatives:
        return 0.5
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    upto = np.cumsum(count)
    rank = (upto - (count - 1) / 2.0)[place]
    return float((rank[left].sum() - positives * (positives + 1) / 2.0) / (positives * negatives))
