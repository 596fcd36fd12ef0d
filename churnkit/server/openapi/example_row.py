"""A customer made up from the contract alone, for the example of the endpoint's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churnkit.contracts.parsing.cell_parsers import compile_cell_parser
from churnkit.server.openapi.regex_example import text_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.schema.column import Column

__all__ = ["example_row"]

_TEXTS = ("customer-1", "CUSTOMER-1", "C0001", "0001-ABCDE", "1000001", "A", "a@example.org")
_LONGEST = 10_000
_WHOLE = (12, 1, 0, 100, -1)
_BOUNDS = ("ge", "gt", "le", "lt", "eq")


def example_row(contract: Contract, purpose: Purpose) -> dict[str, Any] | None:
    """Make up a customer that fits the contract.

    Parameters
    ----------
    contract
        With the levels of every category.
    purpose
        Which columns it must have.

    Returns
    -------
    A value for each required column; None where the checks of a column, such as a pattern,
    are beyond what is tried.

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
        fitting = (v for v in _candidates(column) if cell(v).__class__ is float)
        try:
            row[column.name] = next(fitting)
        except StopIteration:
            return None
    return row


def _candidates(column: Column) -> Iterator[Any]:
    for check in column.checks:
        if check.rule == "isin":
            yield from check.value
    if column.type == "string":
        yield from column.levels or ()
        yield from (text_for(c.value) for c in column.checks if c.rule == "matches")
        lengths = [c.value for c in column.checks if c.rule in {"min_length", "max_length"}]
        yield from _TEXTS
        yield from ("x" * length for length in lengths if length <= _LONGEST)
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
    yield from _WHOLE
    # Beside each bound, and between two of them.
    for bound in bounds:
        yield from (int(bound) if bound == int(bound) else bound, int(bound) + 1, int(bound) - 1)
    for low in bounds:
        yield from ((low + high) / 2 for high in bounds)
