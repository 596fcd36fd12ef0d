"""Churn tables for `benchmarks.models`: two that churnkit knows by name, and any CSV file."""

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

# A text column is read as numbers if all that is not blank is a number.
_BLANK = {"", "?", "na", "nan", "null", "none"}


@dataclass(frozen=True)
class Table:
    """A churn table in the two shapes that models read.

    Attributes
    ----------
    title
        What it is called in the results.
    frame
        The features: numbers, and categories as text (missing as None).
    y : (n,) 1 for churned
    categories
        Names of the columns that hold categories.
    tested_from
        The first row of a test table of its own, if there is one; all before are learned from.
    """

    title: str
    frame: pd.DataFrame
    y: NDArray[np.int_]
    categories: tuple[str, ...]
    tested_from: int | None = None

    @property
    def category_indices(self) -> tuple[int, ...]:
        """Where the categories stand among the columns."""
        return tuple(list(self.frame.columns).index(name) for name in self.categories)

    def matrix(self) -> NDArray[np.float64]:
        """Return numbers and category codes, missing as NaN, (n, f); codes say nothing else."""
        columns = []
        for name in self.frame.columns:
            column = self.frame[name]
            if name in self.categories:
                codes = pd.Categorical(column).codes.astype(float)
                columns.append(np.where(codes < 0, np.nan, codes))
            else:
                columns.append(column.to_numpy(float))
        return np.column_stack(columns)


def telco() -> Table:
    """Read the columns that the recipe's schema names."""
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
) -> Table:
    """Read a churn table of any shape.

    Parameters
    ----------
    path
        A CSV file with a header; the separator is found.
    label
        The column that says who left.
    ids
        Columns that are no features.
    positive
        The label of those who left; the rarer of the two if not given.
    categories
        Columns of numbers that are names, such as postal codes; text is a category anyway.
    title
        What to call it; the file's name if not given.
    test
        A table of the same columns to test on, in the place of folds.
    """
    raw = _read(path)
    learned = len(raw)
    if test is not None:
        raw = pd.concat([raw, _read(test)[raw.columns]], ignore_index=True)
    unknown = {label, *ids, *categories} - set(raw.columns)
    if unknown:
        raise SystemExit(f"{path.name} has no column {', '.join(sorted(unknown))}")
    said = raw[label].str.strip()
    known = ~said.str.lower().isin(_BLANK)
    counts = said[known].value_counts()
    if len(counts) != 2:
        raise SystemExit(f"the label {label} holds {len(counts)} values, it must hold two")
    churned = positive if positive is not None else str(counts.index[-1])
    if churned not in counts.index:
        raise SystemExit(f"no row's {label} is {churned!r}")
    features = raw[known].drop(columns=[label, *ids]).reset_index(drop=True)
    y = (said[known] == churned).to_numpy().astype(int)
    made = _typed(title or path.stem, features, y, categories)
    return made if test is None else replace(made, tested_from=int(known[:learned].sum()))


def _read(path: Path) -> pd.DataFrame:
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
