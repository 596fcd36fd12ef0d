"""Parse table options of the command line, and find a project's tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from churnkit.core.translation import ngettext
from churnkit.errors import ChurnkitError
from churnkit.insights.table_layouts import LAYOUTS
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from churnkit.bundle.model import RetentionModel

__all__ = [
    "TABLES_FOLDER", "describe_churned", "find_customers", "find_tables", "leave_out_churned",
    "parse_columns", "parse_tables", "parse_targets",
]  # fmt: skip

TABLES_FOLDER = "tables"
_ENDINGS = (".parquet", ".pq", ".csv")


def parse_tables(options: Sequence[str]) -> dict[str, Path]:
    """Parse options of the form ``NAME=PATH``.

    Raises
    ------
    ChurnkitError
        If an option has another form, or the table's name is unknown.

    Examples
    --------
    >>> parse_tables(["orders=sales/2025.csv"])["orders"].name
    '2025.csv'
    """
    paths = {}
    for option in options:
        name, _, path = option.partition("=")
        if not path:
            raise ChurnkitError(f"--table takes NAME=PATH, such as orders=orders.csv; got '{name}'")
        if name not in LAYOUTS:
            raise ChurnkitError(f"unknown table '{name}'; {did_you_mean(name, LAYOUTS)}")
        paths[name] = Path(path)
    return paths


def parse_columns(options: Sequence[str]) -> dict[str, dict[str, str]]:
    """Parse options of the form ``TABLE.PART=COLUMN``.

    Raises
    ------
    ChurnkitError
        If an option has another form.

    Examples
    --------
    >>> parse_columns(["subscriptions.mrr=fee"])
    {'subscriptions': {'mrr': 'fee'}}
    """
    columns: dict[str, dict[str, str]] = {}
    for option in options:
        key, _, column = option.partition("=")
        table, _, part = key.partition(".")
        if not (column and part):
            raise ChurnkitError(
                f"--column takes TABLE.PART=COLUMN, such as subscriptions.mrr=fee; got '{option}'"
            )
        columns.setdefault(table, {})[part] = column
    return columns


def parse_targets(options: Sequence[str]) -> dict[str, float]:
    """Parse options of the form ``NAME=NUMBER``.

    Raises
    ------
    ChurnkitError
        If an option has another form.

    Examples
    --------
    >>> parse_targets(["churn=0.02"])
    {'churn': 0.02}
    """
    targets = {}
    for option in options:
        name, _, number = option.partition("=")
        try:
            targets[name] = float(number)
        except ValueError:
            raise ChurnkitError(
                f"--target takes NAME=NUMBER, such as churn=0.02; got '{option}'"
            ) from None
    return targets


def find_tables(root: Path) -> dict[str, Path]:
    """Find the files of known tables in a project's folder ``tables``."""
    folder = root / TABLES_FOLDER
    return {
        name: folder / f"{name}{ending}"
        for name in LAYOUTS
        for ending in reversed(_ENDINGS)
        if (folder / f"{name}{ending}").is_file()
    }


def find_customers(root: Path) -> Path | None:
    """Find a project's customer table, ``customers.parquet``, ``.pq`` or ``.csv``."""
    paths = [root / f"customers{ending}" for ending in _ENDINGS]
    return next((path for path in paths if path.is_file()), None)


def leave_out_churned(model: RetentionModel, customers: pa.Table) -> tuple[pa.Table, int]:
    """Leave out the customers of a flat table who have left by their label, and count them.

    A table with an as-of date, or of a model with a timeline, keeps all rows: its labels are
    outcomes after the date of the row. So does a table without the label. A row whose label is
    missing or invalid stays.

    Parameters
    ----------
    model
        A trained model.
    customers
        n rows.

    Returns
    -------
    pyarrow.Table, int
        The customers who have not left, and the number of the others.

    Raises
    ------
    ChurnkitError
        If all customers have left.
    """
    from churnkit.contracts.validation.labels import parse_label

    contract = model.contract
    label = contract.label
    is_flat = model.contents.timeline is None and contract.as_of is None
    if not is_flat or label is None or label.name not in customers.column_names:
        return customers, 0
    stayed = np.asarray(parse_label(contract, customers)[0]) == 0
    left = int((~stayed).sum())
    if left and left == len(stayed):
        raise ChurnkitError(
            f"all {left:,} customers have left by column '{label.name}': risk and actions need a "
            "file with current customers"
        )
    return customers.filter(stayed) if left else customers, left


def describe_churned(model: RetentionModel, left: int, rows: int) -> str:
    """Describe the customers that `leave_out_churned` has left out; empty for none.

    Parameters
    ----------
    model
        The model, whose contract names the label.
    left, rows
        Number of customers who have left, and of all.
    """
    label = model.contract.label
    if not left or label is None:
        return ""
    return ngettext(
        "{count:,} of {rows:,} customers has left by the column {column} and is left out: risk, "
        "drivers, segments, actions and health are those of the customers who remain.",
        "{count:,} of {rows:,} customers have left by the column {column} and are left out: risk, "
        "drivers, segments, actions and health are those of the customers who remain.",
        left,
        rows=rows,
        column=label.name,
    )
