"""Churn tables for `benchmarks.models`: two public ones, and any CSV file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from churnkit.contracts import Contract
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.validation.labels import encode_label
from churnkit.datasets import load
from churnkit.pipeline import load_recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A text column is numeric if all values that are not blank are numbers.
_BLANK = {"", "?", "na", "nan", "null", "none"}
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y")


@dataclass(frozen=True)
class Table:
    """A churn table as a frame and as an encoded matrix.

    Attributes
    ----------
    title
        Its name in the results.
    frame
        The features: numbers, dates, and categories as text (missing as None).
    y : (n,) 1 for churned
    categories
        Names of the categorical columns.
    test_start
        The first row of a separate test table; None for cross-validation.
    """

    title: str
    frame: pd.DataFrame
    y: NDArray[np.int_]
    categories: tuple[str, ...]
    test_start: int | None = None

    @property
    def category_indices(self) -> tuple[int, ...]:
        """Indices of the categorical columns."""
        return tuple(list(self.frame.columns).index(name) for name in self.categories)

    def matrix(self) -> NDArray[np.float64]:
        """Return numbers, days and arbitrary category codes, missing as NaN, (n, f)."""
        columns = []
        for name in self.frame.columns:
            column = in_days(self.frame[name])
            if name in self.categories:
                codes = pd.Categorical(column).codes.astype(float)
                columns.append(np.where(codes < 0, np.nan, codes))
            else:
                columns.append(column.to_numpy(float))
        return np.column_stack(columns)


def telco() -> Table:
    """Read the columns of the recipe's schema."""
    recipe = load_recipe(Path(__file__).parent.parent / "training" / "telco.py")
    contract = Contract.from_schema(recipe.schema)
    raw = load("telco")
    y, _ = encode_label(contract, as_arrow(raw))
    names = [column.name for column in contract.features]
    return _typed("Telco", raw.to_pandas()[names], y.astype(int), ())


def tv() -> Table:
    raw = load("tv_subscription").to_pandas()
    names = [name for name in raw.columns if name.startswith("x")]
    return _typed("TV subscription", raw[names], raw["target"].to_numpy().astype(int), ())


SETS = {"telco": telco, "tv": tv}


def from_csv(
    path: Path,
    *,
    label: str,
    ids: tuple[str, ...] = (),
    positive: str | None = None,
    categories: tuple[str, ...] = (),
    title: str | None = None,
    test: Path | None = None,
    dates: bool = False,
) -> Table:
    """Read a churn table from a CSV file.

    Parameters
    ----------
    path
        A CSV file with a header; the separator is detected.
    label
        The column of the outcome.
    ids
        Columns that are not features.
    positive
        The value for churned; the rarer of the two if not given.
    categories
        Numeric columns that are categories, such as postal codes; text always is.
    title
        Title of the table; the file's name if not given.
    test
        A test table with the same columns, instead of folds.
    dates
        Read columns of dates as dates.
    """
    raw = read_csv(path)
    train_rows = len(raw)
    if test is not None:
        raw = pd.concat([raw, read_csv(test)[raw.columns]], ignore_index=True)
    unknown = {label, *ids, *categories} - set(raw.columns)
    if unknown:
        raise SystemExit(f"{path.name} has no column {', '.join(sorted(unknown))}")
    outcome = raw[label].str.strip()
    has_label = ~outcome.str.lower().isin(_BLANK)
    counts = outcome[has_label].value_counts()
    if len(counts) != 2:
        raise SystemExit(f"the label {label} must have 2 values, got {len(counts)}")
    churned = positive if positive is not None else str(counts.index[-1])
    if churned not in counts.index:
        raise SystemExit(f"no row has {label} = {churned!r}")
    features = raw[has_label].drop(columns=[label, *ids]).reset_index(drop=True)
    y = (outcome[has_label] == churned).to_numpy().astype(int)
    table = _typed(title or path.stem, features, y, categories)
    if dates:
        table = _with_dates(table)
    return table if test is None else replace(table, test_start=int(has_label[:train_rows].sum()))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file as text; the separator is detected."""
    with path.open(encoding="utf-8-sig") as lines:
        header = lines.readline()
    separator = max(",;\t|", key=header.count)
    return pd.read_csv(path, sep=separator, encoding="utf-8-sig", dtype=str, keep_default_na=False)


def _typed(
    title: str, raw: pd.DataFrame, y: NDArray[np.int_], categories: tuple[str, ...]
) -> Table:
    columns: dict[str, pd.Series] = {}
    texts = list(categories)
    for name in raw.columns:
        column = raw[name]
        if name not in categories and pd.api.types.is_numeric_dtype(column):
            columns[name] = column.astype(float)
            continue
        words = column.astype(str).str.strip()
        blank = words.str.lower().isin(_BLANK)
        numbers = pd.to_numeric(words.where(~blank), errors="coerce")
        if name not in categories and bool(numbers[~blank].notna().all()):
            columns[name] = numbers.astype(float)
            continue
        columns[name] = words.astype(object).where(~blank, None)
        if name not in texts:
            texts.append(name)
    return Table(title, pd.DataFrame(columns), y, tuple(texts))


def _with_dates(table: Table) -> Table:
    """Parse the categories that are dates in at least 99% of their rows."""
    frame = table.frame.copy()
    for name in table.categories:
        for written in _DATES:
            days = pd.to_datetime(frame[name], format=written, errors="coerce")
            if days.notna().sum() >= 0.99 * frame[name].notna().sum() > 0:
                frame[name] = days
                break
    left = tuple(name for name in table.categories if frame[name].dtype.kind != "M")
    return replace(table, frame=frame, categories=left)


def in_days(column: pd.Series) -> pd.Series:
    """Return dates as days since 1970, and other columns as they are."""
    if column.dtype.kind != "M":
        return column
    return (column - pd.Timestamp(0)) / pd.Timedelta(days=1)
