"""Detect leakage: features that contain the future, identifiers or the outcome.

Each finding has a code with a page in ``docs/findings/`` and blocks training unless it is waived
by code and column: ``waive=("CK101:renewal_score",)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.core.result import Result
from churnkit.errors import ChurnkitError, DataError, RecipeError
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "CODES",
    "Leak",
    "LeakageError",
    "feature_auc",
    "find_changes",
    "find_leaks",
    "refuse_leaks",
]

CODES = {
    "CK101": "predicts too well alone",
    "CK102": "changes when later rows are added",
    "CK103": "is an id or a date",
    "CK104": "has a value that exists only after the outcome",
}
# A single legitimate feature rarely predicts churn this well.
_MAX_AUC = 0.95
# Significance level for a category, a value or a blank that only customers of one outcome have.
_ALPHA = 1e-6
# Share of values that belong to one outcome, and share of an outcome that has them.
_MIN_AGREEING, _MIN_COVERED = 0.99, 0.9
# Share of churned customers in a range or in categories of hardly anyone else, and how many times
# more frequent these must be among churned customers.
_MIN_IN_RANGE, _MIN_LIKELIHOOD_RATIO = 0.5, 50.0
_MIN_ROWS = 50
_MAX_LISTED = 20


@dataclass(frozen=True, slots=True)
class Leak(Result):
    """One finding about one feature.

    Parameters
    ----------
    code
        One of `CODES`.
    column
        The feature.
    measured
        The evidence in figures, without customer values.
    waived
        True if the recipe accepts the finding.

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
        text = f"{self.code} '{self.column}' {CODES[self.code]} ({self.measured})"
        return f"{text}: {'waived' if self.waived else f'see docs/findings/{self.code}.md'}"

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-serializable data."""
        return {
            "code": self.code,
            "column": self.column,
            "measured": self.measured,
            "waived": self.waived,
        }


class LeakageError(ChurnkitError):
    """Features contain information that is not available at prediction time; see `leaks`.

    Parameters
    ----------
    leaks
        The findings.
    """

    def __init__(self, leaks: Sequence[Leak]) -> None:
        self.leaks: tuple[Leak, ...] = tuple(leaks)
        first = self.leaks[0]
        title = f"{len(self.leaks)} findings of leakage:"
        remedy = (
            "Remove or correct these features; to accept one, waive it by name: "
            f"waive=('{first.code}:{first.column}',)"
        )
        lines = [f"  - {leak}" for leak in self.leaks[:_MAX_LISTED]]
        super().__init__("\n".join([title, *lines, remedy]))


def refuse_leaks(leaks: Iterable[Leak]) -> None:
    """Raise an error if a finding is not waived.

    Parameters
    ----------
    leaks
        The findings.

    Raises
    ------
    LeakageError
        Lists the findings.

    Examples
    --------
    >>> refuse_leaks([Leak("CK103", "account", "400 of 400 differ", waived=True)])
    """
    remaining = [leak for leak in leaks if not leak.waived]
    if remaining:
        raise LeakageError(remaining)


def find_leaks(
    table: Any,
    *,
    label: str,
    entity: str,
    as_of: str | None = None,
    features: Sequence[str] | None = None,
    waive: Sequence[str] = (),
    max_auc: float = _MAX_AUC,
) -> tuple[Leak, ...]:
    """Find leakage in a training table.

    Parameters
    ----------
    table
        Any table with one row per customer and date.
    label
        The column of the label, 0 and 1 or boolean; rows without a label are ignored.
    entity
        The column of the customer's id.
    as_of
        The column of the date, if any.
    features
        The columns to check; by default all others.
    waive
        Accepted findings, as ``"CK101:column"``.
    max_auc
        The area under the ROC curve from which a single feature is suspicious.

    Returns
    -------
    tuple of Leak
        In the order of the columns; waived ones are marked.

    Raises
    ------
    RecipeError
        If a waiver does not have the form ``"CK101:column"`` or names no feature.

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
            hint = did_you_mean(name, arrow.column_names)
            raise DataError("the training table", f"column '{name}' is missing; {hint}")
    if not _is_number(arrow[label].type):
        raise DataError(
            "the training table", f"the label '{label}' must have the values 1 and 0, or be boolean"
        )
    arrow = arrow.filter(pc.is_valid(arrow[label]))
    excluded = {label, entity, as_of}
    names = list(features) if features else [n for n in arrow.column_names if n not in excluded]
    waived = _parse_waivers(waive, names)
    churned = np.asarray(arrow[label].cast(pa.float64())) > 0
    customers = pc.count_distinct(arrow[entity]).as_py()
    return tuple(
        Leak(code, name, measured, waived=(code, name) in waived)
        for name in names
        for code, measured in _check_column(arrow[name], churned, customers, max_auc)
    )


def find_changes(
    before: Any, after: Any, *, keys: Sequence[str], waive: Sequence[str] = ()
) -> tuple[Leak, ...]:
    """Compare snapshots built from the tables as they were with the same built from later tables.

    Parameters
    ----------
    before, after
        The same snapshots, built from the tables as they were at the dates and as they are now.
    keys
        The columns that identify a row: customer and date.
    waive
        As in `find_leaks`.

    Returns
    -------
    tuple of Leak
        One per column that differs in a row of both.

    Examples
    --------
    >>> earlier = [{"id": 1, "plan": "basic", "spend": 2.5}]
    >>> later = [{"id": 1, "plan": "left", "spend": 2.5}]
    >>> print(*find_changes(earlier, later, keys=["id"]))
    CK102 'plan' changes when later rows are added (1 of 1 rows): see docs/findings/CK102.md
    """
    from churnkit.contracts.arrow_interop import as_arrow

    first, second = as_arrow(before, name="before"), as_arrow(after, name="after")
    names = [n for n in first.column_names if n not in keys and n in second.column_names]
    waived = _parse_waivers(waive, names)
    joined = first.join(second, list(keys), right_suffix=" after", join_type="inner")
    leaks = []
    for name in names:
        changed = _unequal(joined[name], joined[f"{name} after"])
        if changed:
            measured = f"{changed:,} of {joined.num_rows:,} rows"
            leaks.append(Leak("CK102", name, measured, waived=("CK102", name) in waived))
    return tuple(leaks)


def _unequal(a: pa.ChunkedArray, b: pa.ChunkedArray) -> int:
    same = pc.fill_null(pc.equal(a, b.cast(a.type)), False)
    both_missing = pc.and_(pc.is_null(a, nan_is_null=True), pc.is_null(b, nan_is_null=True))
    return int(len(a) - (pc.sum(pc.or_(same, both_missing)).as_py() or 0))


def _parse_waivers(waive: Sequence[str], names: Sequence[str]) -> set[tuple[str, str]]:
    waivers = set()
    for waiver in waive:
        code, _, column = str(waiver).partition(":")
        if code not in CODES or column not in names:
            raise RecipeError(
                f"waive: '{waiver}' is not a code and a feature; write 'CK101:column' with one of "
                f"the codes {', '.join(CODES)} and the name of a feature"
            )
        waivers.add((code, column))
    return waivers


def _check_column(
    column: pa.ChunkedArray, churned: NDArray[np.bool_], customers: int, max_auc: float
) -> list[tuple[str, str]]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_temporal(kind):
        return [("CK103", "its type is a date")]
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    leaks = []
    distinct = pc.count_distinct(column).as_py()
    if text and _are_dates(column):
        return [("CK103", "its texts are dates")]
    if _is_identifier(kind, distinct, customers, text=text):
        return [("CK103", f"{distinct:,} values for {customers:,} customers")]
    one_sided = _find_one_sided_values(column, churned)
    if text and not one_sided:
        leaks += _find_churn_only_categories(column, churned)
    auc = feature_auc(column, churned)
    if auc is not None and max(auc, 1.0 - auc) >= max_auc and _is_significant(auc, churned):
        figures = filter(None, (f"AUC {max(auc, 1.0 - auc):.3f} alone", one_sided))
        leaks.append(("CK101", "; ".join(figures)))
    elif one_sided:
        leaks.append(("CK104", one_sided))
    elif not leaks and (outcome_only := _find_churn_only_range(column, churned, text=text)):
        leaks.append(("CK104", outcome_only))
    return leaks


def _are_dates(column: pa.ChunkedArray) -> bool:
    texts = pc.drop_null(column)
    if len(texts) < _MIN_ROWS:
        return False
    dates = pc.match_substring_regex(texts, r"^\s*\d{4}-\d{2}-\d{2}([T ]|\s*$)")
    return bool(pc.mean(pc.cast(dates, pa.float64())).as_py() > 0.95)


def _is_identifier(kind: pa.DataType, distinct: int, customers: int, *, text: bool) -> bool:
    """Return True for a column with a different value for each customer, such as names."""
    if customers < _MIN_ROWS:
        return False
    if text:
        return distinct >= 0.95 * customers
    return bool(pa.types.is_integer(kind) and customers >= 2 * _MIN_ROWS and distinct == customers)


def _find_one_sided_values(column: pa.ChunkedArray, churned: NDArray[np.bool_]) -> str:
    """Describe values, or blanks, that nearly only customers of one outcome have, beyond chance.

    Empty if there are none.

    A value that few churned customers have can be known only after the outcome, such as a fee for
    cancelling. What only customers who stayed have, and blanks, may have a reason in the business,
    and count only if nearly all customers of that outcome have them.
    """
    blank = np.asarray(pc.is_null(column, nan_is_null=True))
    if not blank.any() or blank.all() or churned.all() or not churned.any():
        return ""
    for rows, noun in ((~blank, "values"), (blank, "blanks")):
        for outcome, word in ((churned, "churned"), (~churned, "stayed")):
            total, agreeing = int(rows.sum()), int((rows & outcome).sum())
            is_late = noun == "values" and word == "churned"
            covers = is_late or agreeing >= _MIN_COVERED * int(outcome.sum())
            if not covers or agreeing < _MIN_AGREEING * total:
                continue
            if _binomial_tail(agreeing, total, float(outcome.mean())) < _ALPHA:
                return f"{agreeing:,} of {total:,} {noun} are of customers who {word}"
    return ""


def _binomial_tail(successes: int, trials: int, rate: float) -> float:
    """Return the probability of at least as many successes."""
    from scipy.special import bdtrc

    return float(bdtrc(successes - 1, trials, rate))


def _find_churn_only_categories(
    column: pa.ChunkedArray, churned: NDArray[np.bool_]
) -> list[tuple[str, str]]:
    """Find categories that only churned customers have, beyond chance."""
    if not len(churned) or churned.all():
        return []
    _, counts, churn_counts = _count_categories(column, churned)
    suspicious = (churn_counts == counts) & (churned.mean() ** counts.astype(float) < _ALPHA)
    if not suspicious.any():
        return []
    rows = int(counts[suspicious].sum())
    return [("CK104", f"{rows:,} rows, all of customers who churned")]


def _find_churn_only_range(
    column: pa.ChunkedArray, churned: NDArray[np.bool_], *, text: bool
) -> str:
    """Describe an end of a range, or categories, with most churned customers and hardly anyone else.

    Zero visits or months until the end, for example, where a table was exported after customers
    left. Before they leave, no single value tells so many of them from all others.
    """
    if text:
        _, counts, churn_counts = _count_categories(column, churned)
        late = (counts >= _MIN_ROWS) & (churn_counts >= _MIN_AGREEING * counts)
        total, agreeing = int(counts[late].sum()), int(churn_counts[late].sum())
        if _is_outcome(agreeing, total, churned):
            return f"{agreeing:,} of {total:,} rows of some categories are of customers who churned"
        return ""
    if not _is_number(column.type):
        return ""
    values = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    ordered, outcomes = values[known][order], churned[known][order]
    for end, sign in (("lowest", 1), ("highest", -1)):
        ends = np.flatnonzero(np.diff(ordered[::sign])) + 1
        agreeing_rows = np.cumsum(outcomes[::sign])
        pure = ends[agreeing_rows[ends - 1] >= _MIN_AGREEING * ends]
        if len(pure) and _is_outcome(int(agreeing_rows[pure[-1] - 1]), int(pure[-1]), churned):
            agreeing, total = int(agreeing_rows[pure[-1] - 1]), int(pure[-1])
            return f"{agreeing:,} of the {total:,} {end} values are of customers who churned"
    return ""


def _is_outcome(agreeing: int, total: int, churned: NDArray[np.bool_]) -> bool:
    """Return True if most churned customers are in a part that hardly anyone else is in."""
    churners = int(churned.sum())
    if total < _MIN_ROWS or agreeing < max(_MIN_IN_RANGE * churners, 1):
        return False
    stayed = max(len(churned) - churners, 1)
    return agreeing * stayed >= _MIN_LIKELIHOOD_RATIO * (total - agreeing) * churners


def _count_categories(
    column: pa.ChunkedArray, churned: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Return each row's category, and per category its rows and its churned rows."""
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    codes = np.asarray(encoded.indices).astype(np.intp)
    churn_counts: NDArray[np.float64] = np.bincount(codes, weights=churned).astype(np.float64)
    return codes, np.bincount(codes), churn_counts


def feature_auc(column: pa.ChunkedArray, churned: NDArray[np.bool_]) -> float | None:
    """Return the area under the ROC curve of one column alone.

    Parameters
    ----------
    column
        Numbers, or categories as text, n in all. A missing value counts as a value.
    churned
        True for customers who churned, shape (n,).

    Returns
    -------
    float or None
        Below 0.5 for numbers that fall with churn; None if the type has no order.

    Examples
    --------
    >>> feature_auc(pa.chunked_array([[1.0, 2.0, None, 3.0]]), np.array([False, False, True, True]))
    1.0
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return _category_auc(column, churned)
    if not _is_number(column.type):
        return None
    values = np.asarray(column.cast(pa.float64()).fill_null(np.nan))
    missing = np.isnan(values)
    if not missing.any():
        return _auc(values, churned)
    # Missing is a separate value, ranked first or last by its churn rate.
    low = churned[missing].mean() < churned[~missing].mean() if (~missing).any() else True
    ascending = not (~missing).any() or _auc(values[~missing], churned[~missing]) >= 0.5
    return _auc(np.where(missing, -np.inf if low == ascending else np.inf, values), churned)


def _category_auc(column: pa.ChunkedArray, churned: NDArray[np.bool_]) -> float:
    """Return the AUC of churn rates per category, estimated on one half and tested on the other.

    Leave-one-out rates would rank churned customers of a large category below the others, and so
    separate them perfectly in a column without any information.
    """
    codes, counts, _ = _count_categories(column, churned)
    half = np.zeros(len(codes), dtype=np.intp)
    shuffled = np.random.default_rng(0).permutation(len(codes))
    for label in (True, False):
        rows = shuffled[churned[shuffled] == label]
        half[rows] = np.arange(len(rows)) % 2
    aucs = []
    for tested in (0, 1):
        training = half != tested
        rows_per_category = np.bincount(codes[training], minlength=len(counts))
        churned_rows = np.bincount(codes[training], churned[training], minlength=len(counts))
        rates = (churned_rows + churned.mean()) / (rows_per_category + 1.0)
        aucs.append(_auc(rates[codes[~training]], churned[~training]))
    return sum(aucs) / 2.0


def _is_significant(auc: float, churned: NDArray[np.bool_]) -> bool:
    """Return True if an AUC is more than four standard errors from 0.5.

    The standard error is that of the Mann-Whitney statistic without any association.
    """
    positives = int(churned.sum())
    pairs = positives * (len(churned) - positives)
    return pairs > 0 and abs(auc - 0.5) > 4.0 * np.sqrt((len(churned) + 1) / (12.0 * pairs))


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    )


def _auc(score: NDArray[np.float64], churned: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve with ties counted half; 0.5 if one class is empty."""
    positives = int(churned.sum())
    negatives = len(churned) - positives
    if not positives or not negatives:
        return 0.5
    _, index, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[index]
    return float(
        (ranks[churned].sum() - positives * (positives + 1) / 2.0) / (positives * negatives)
    )
