"""Limits of a bundle: what loading it and scoring with it may take of time and memory.

A digest proves who wrote a bundle, not that it is harmless. Sizes are checked before a file is
read, contents before they are used. At these limits a bundle loads in less than a minute and
scores, explains and decides a row within 4 GB; a usual one takes a fraction of a second and some
megabytes. The trees have limits of their own, see `churnkit.trees.limits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from churnkit.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from churnkit.contracts.contract import Contract
    from churnkit.decisions import Catalogue

__all__ = ["check_catalogue", "check_contract", "check_golden_rows", "check_sizes"]

MAX_FILES: Final = 2_000
MAX_BYTES: Final = 500_000_000
MAX_DOCUMENT_BYTES: Final = 32_000_000
"""All JSON documents together: once parsed they take up to thirty times as much."""
MAX_COLUMNS: Final = 5_000
MAX_VALUES: Final = 1_000_000
"""Categories, and values that checks list, over all columns."""
MAX_ACTIONS: Final = 5_000
MAX_RULES: Final = 50_000
"""Conditions of all actions, with the values that they list."""
MAX_SHARED_LIMITS: Final = 1_000
MAX_GOLDEN_ROWS: Final = 10_000


def check_sizes(files: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the number and the sizes of a manifest's files.

    Parameters
    ----------
    files
        Size by file name, as in the manifest.

    Raises
    ------
    BundleError
        Names the limit.
    """
    _require(len(files), MAX_FILES, "files")
    _require(sum(entry["size"] for entry in files.values()), MAX_BYTES, "bytes")
    documents = sum(entry["size"] for file, entry in files.items() if file.endswith(".json"))
    _require(documents, MAX_DOCUMENT_BYTES, "bytes of JSON")


def check_contract(contract: Contract) -> None:
    """Check the number of columns, categories and values of a contract.

    Raises
    ------
    BundleError
        Names the limit.
    """
    _require(len(contract.columns), MAX_COLUMNS, "columns")
    values = 0
    for column in contract.columns:
        values += len(column.levels or ()) + len(column.words) + len(column.missing)
        values += sum(
            len(check.value) if isinstance(check.value, tuple) else 1 for check in column.checks
        )
    _require(values, MAX_VALUES, "categories and values of checks")


def check_catalogue(catalogue: Catalogue) -> None:
    """Check the number of actions, rules and shared limits.

    Raises
    ------
    BundleError
        Names the limit.
    """
    _require(len(catalogue.actions), MAX_ACTIONS, "actions")
    shared = (*catalogue.capacities, *catalogue.floors, *catalogue.contact.limits)
    _require(len(shared) + len(catalogue.contact.cool_downs), MAX_SHARED_LIMITS, "shared limits")
    rules = [
        rule
        for action in catalogue.actions
        for rule in (*action.eligible, *action.applicable, *action.suitable)
    ]
    _require(
        sum(max(1, len(rule.values)) for rule in rules), MAX_RULES, "conditions and their values"
    )


def check_golden_rows(count: int) -> None:
    """Check the number of golden rows, which are scored at each load.

    Raises
    ------
    BundleError
        If there are too many.
    """
    _require(count, MAX_GOLDEN_ROWS, "golden rows")


def _require(count: int, limit: int, name: str) -> None:
    if count > limit:
        raise BundleError(f"it has {count:,} {name}, a bundle may have {limit:,}: train it smaller")
