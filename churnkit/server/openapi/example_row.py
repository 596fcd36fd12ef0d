"""Make up a customer from the contract, for the examples of the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.cell_parsers import compile_cell_parser
from churnkit.server.openapi.regex_example import example_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.schema.column import Column

__all__ = ["example_row"]

_TEXTS = ("customer-1", "CUSTOMER-1", "C0001", "0001-ABCDE", "1000001", "A", "a@example.org")
_MAX_LENGTH = 10_000
_INTEGERS = (12, 1, 0, 100, -1)
_BOUNDS = ("ge", "gt", "le", "lt", "eq")


def example_row(contract: Contract, purpose: Purpose) -> dict[str, Any] | None:
    """Return a made-up customer that fits the contract.

    Parameters
    ----------
    contract
        With the levels of every category.
    purpose
        ``"predict"`` or ``"recommend"``: the columns that must be present.

    Returns
    -------
    dict or None
        A value for each required column; None if no candidate passes the checks of a column.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> tenure = Column("tenure", "integer", ("feature",))
    >>> example_row(Contract("gym", (Column("id", "string", ("entity",)), tenure)), "predict")
    {'id': 'customer-1', 'tenure': 12}
    """
    encoded = {column.name for column in contract.encoded(purpose)}
    row: dict[str, Any] = {}
    for column in contract.required(purpose):
        cell = compile_cell_parser(column, encode=column.name in encoded)
        valid = (value for value in _candidates(column) if cell(value).__class__ is float)
        try:
            row[column.name] = next(valid)
        except StopIteration:
            return None
    return row


def _candidates(column: Column) -> Iterator[Any]:
    for check in column.checks:
        if check.rule == "isin":
            yield from check.value
    if column.type == "string":
        yield from column.levels or ()
        yield from (example_text(c.value) for c in column.checks if c.rule == "matches")
        lengths = [c.value for c in column.checks if c.rule in {"min_length", "max_length"}]
        yield from _TEXTS
        yield from ("x" * length for length in lengths if length <= _MAX_LENGTH)
    elif column.type == "boolean":
        yield from (False, True)
    elif column.type == "datetime":
        yield "2026-01-31"
    else:
        yield from _numbers(column)
    if column.nullable:
        yield None


def _numbers(column: Column) -> Iterator[float]:
    bounds = [float(check.value) for check in column.checks if check.rule in _BOUNDS]
    yield from _INTEGERS
    # At and next to each bound, and between two of them.
    for bound in bounds:
        yield from (int(bound) if bound == int(bound) else bound, int(bound) + 1, int(bound) - 1)
    for low in bounds:
        yield from ((low + high) / 2 for high in bounds)
