"""Which files a report reads: those that are named, or those that lie in the project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from churnkit.errors import ChurnkitError
from churnkit.insights.table_layouts import LAYOUTS
from churnkit.timeline.source_tables import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "TABLES_FOLDER",
    "columns_named",
    "customers_in",
    "tables_in",
    "tables_named",
    "targets_named",
]

TABLES_FOLDER = "tables"
_ENDINGS = (".parquet", ".pq", ".csv")


def tables_named(given: Sequence[str]) -> dict[str, Path]:
    """Read ``NAME=PATH``.

    Raises
    ------
    ChurnkitError
        If one is not of this form, or names no kind of table.

    Examples
    --------
    >>> tables_named(["orders=sales/2025.csv"])["orders"].name
    '2025.csv'
    """
    found = {}
    for one in given:
        name, _, path = one.partition("=")
        if not path:
            raise ChurnkitError(f"--table takes NAME=PATH, such as orders=orders.csv; not '{name}'")
        if name not in LAYOUTS:
            raise ChurnkitError(
                f"there is no kind of table '{name}'; {did_you_mean(name, LAYOUTS)}"
            )
        found[name] = Path(path)
    return found


def columns_named(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """Read ``TABLE.PART=COLUMN``.

    Examples
    --------
    >>> columns_named(["subscriptions.mrr=fee"])
    {'subscriptions': {'mrr': 'fee'}}
    """
    found: dict[str, dict[str, str]] = {}
    for one in given:
        place, _, column = one.partition("=")
        table, _, part = place.partition(".")
        if not (column and part):
            raise ChurnkitError(
                f"--column takes TABLE.PART=COLUMN, such as subscriptions.mrr=fee; not '{one}'"
            )
        found.setdefault(table, {})[part] = column
    return found


def targets_named(given: Sequence[str]) -> dict[str, float]:
    """Read ``NAME=NUMBER``.

    Examples
    --------
    >>> targets_named(["churn=0.02"])
    {'churn': 0.02}
    """
    found = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise ChurnkitError(
                f"--target takes NAME=NUMBER, such as churn=0.02; not '{one}'"
            ) from None
    return found


def tables_in(root: Path) -> dict[str, Path]:
    """Find the tables of known kinds in a project's folder ``tables``."""
    folder = root / TABLES_FOLDER
    return {
        name: folder / f"{name}{ending}"
        for name in LAYOUTS
        for ending in reversed(_ENDINGS)
        if (folder / f"{name}{ending}").is_file()
    }


def customers_in(root: Path) -> Path | None:
    """Find the project's own table of customers."""
    for ending in _ENDINGS:
        if (root / f"customers{ending}").is_file():
            return root / f"customers{ending}"
    return None
