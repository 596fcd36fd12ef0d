"""Check a table in batches, with the findings of a check of the whole table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.contracts.validation.labels import hash_keys, parse_label, refuse_constant
from churnkit.contracts.validation.pandera_check import check_columns
from churnkit.contracts.validation.violations import Finding, Violation
from churnkit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.contracts.schema.table_schema import Purpose, TableSchema

__all__ = ["check_batches"]


def check_batches(
    contract: TableSchema,
    batches: Iterable[pa.Table],
    purpose: Purpose = "train",
    *,
    name: str = "",
) -> tuple[int, tuple[Finding, ...]]:
    """Check a table in batches, and return the number of rows and every violated rule.

    For training tables, in which customers must not repeat, about 24 bytes a row are held.

    Parameters
    ----------
    contract
        The columns and their checks.
    batches
        Parts of the table in order; with row numbers if they stand for customer ids.
    purpose
        It decides which columns are required.
    name
        Name of the table in messages; the contract's name by default.

    Returns
    -------
    rows
        Number of rows.
    findings
        As of `churnkit.contracts.validation.pandera_check.check_table`.

    Raises
    ------
    DataError
        If the table is empty, lacks a column, or its label is constant.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (Column("member", "string", ("entity",)),))
    >>> parts = [pa.table({"member": ["a", "b"]}), pa.table({"member": ["a", None]})]
    >>> rows, findings = check_batches(gym, parts)
    >>> rows, [(finding.rule, finding.positions.tolist()) for finding in findings]
    (4, [('not_null', [3]), ('unique', [2])])
    """
    name = name or contract.name
    is_training = purpose == "train"
    found: dict[tuple[str, str], list[Finding]] = {}
    keys: list[NDArray[np.uint64]] = []
    rows = churned = 0
    is_labeled = True
    for batch in batches:
        missing = contract.missing_columns(purpose, batch.column_names)
        if missing and batch.num_columns:
            raise DataError(name, missing)
        if not batch.num_rows:
            continue
        parsed = ParsedTable(batch)
        findings = check_columns(contract, parsed, purpose)
        if is_training:
            keys.append(hash_keys(contract, parsed))
        if is_training and contract.label is not None:
            labels, unlabeled = parse_label(contract, parsed, name=name)
            churned += int(labels.sum())
            is_labeled = is_labeled and not unlabeled
            findings += [finding for finding in unlabeled if finding.rule == "zero_or_one"]
        for finding in findings:
            moved = Finding(
                finding.column, finding.rule, finding.positions + rows, finding.column_type
            )
            found.setdefault((finding.column, finding.rule), []).append(moved)
        rows += batch.num_rows
    if not rows:
        raise DataError(name, [Violation("", "empty", 1)])
    if is_training and contract.label is not None and is_labeled:
        refuse_constant(contract, rows, churned, name=name)
    duplicates = _duplicates(contract, keys) if is_training else []
    names = [c.name for c in (*contract.required(purpose), *contract.optional(purpose))]
    return rows, _merge(names, found, duplicates)


def _duplicates(contract: TableSchema, keys: list[NDArray[np.uint64]]) -> list[Finding]:
    """Find the rows whose key is that of an earlier row."""
    hashes = np.concatenate(keys)
    keys.clear()
    ordered = np.sort(hashes)
    if not ((ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)).any():
        return []
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    repeated = np.sort(order[1:][(ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)])
    return [Finding(contract.entity.name, "unique", repeated, contract.entity.type)]


def _merge(
    names: list[str], found: dict[tuple[str, str], list[Finding]], duplicates: list[Finding]
) -> tuple[Finding, ...]:
    """Merge the findings of the batches, in the order of a check of the whole table."""
    merged = [
        Finding(
            column, rule, np.concatenate([part.positions for part in parts]), parts[0].column_type
        )
        for (column, rule), parts in found.items()
    ]
    by_column = sorted(
        (finding for finding in merged if finding.rule != "zero_or_one"),
        key=lambda finding: names.index(finding.column),
    )
    labels = [finding for finding in merged if finding.rule == "zero_or_one"]
    return (*by_column, *duplicates, *labels)
