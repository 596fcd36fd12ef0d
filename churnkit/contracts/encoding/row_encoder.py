"""Parse, check and encode rows cell by cell: the hot path of the prediction endpoint."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.encoding.date_features import DateFeatures
from churnkit.contracts.encoding.encoded import Encoded
from churnkit.contracts.parsing.cell_parsers import UnknownCategory, compile_cell_parser
from churnkit.contracts.validation.violations import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.parsing.cell_parsers import CellParser
    from churnkit.contracts.schema.column import Column

__all__ = ["RowEncoder"]

_NAN = float("nan")
_MAX_UNKNOWN_COLUMNS = 20
_MAX_NAME_LENGTH = 80


class RowEncoder:
    """Parse, check and encode rows given as mappings.

    Parameters
    ----------
    contract
        With the levels of every encoded category.
    purpose
        ``"predict"`` or ``"recommend"``; it decides which columns a row must have.
    lenient
        Accept text for numbers (rows of a table); JSON rows are parsed strictly.
    closed
        Reject columns that are not in the contract.

    Examples
    --------
    >>> from churnkit.contracts import Contract, Schema, entity, feature
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     visits: int = feature(ge=0)
    >>> encoder = RowEncoder(Contract.from_schema(Gym))
    >>> encoder.encode([{"member_id": "m1", "visits": 3}]).matrix
    array([[3.]])
    >>> print(encoder.encode([{"member_id": "m1", "visits": -3}]).violations[0])
    column 'visits' breaks ge(0) in 1 row (row 0): correct the values or leave these rows out
    """

    def __init__(
        self,
        contract: Contract,
        purpose: Purpose = "predict",
        *,
        lenient: bool = False,
        closed: bool = False,
    ) -> None:
        self.contract = contract
        encoded = contract.encoded(purpose)
        names = {column.name for column in encoded}
        checked = [column for column in contract.required(purpose) if column.name not in names]
        optional = contract.optional(purpose)
        self._entity = contract.entity.name
        self._numbered = contract.entity.numbered
        self._n_features = len(contract.features)

        def parsers(
            columns: Sequence[Column], *, encode: bool
        ) -> tuple[tuple[str, CellParser], ...]:
            return tuple(
                (column.name, compile_cell_parser(column, lenient=lenient, encode=encode))
                for column in columns
            )

        self._dates = DateFeatures.of(contract)
        self._encoded = parsers(encoded, encode=True)
        self._checked = parsers(checked, encode=False)
        self._optional = parsers(optional, encode=False)
        self._parse_as_of = (
            None
            if self._dates is None
            else compile_cell_parser(self._dates.as_of, lenient=lenient, encode=True)
        )
        allowed = (*encoded, *checked, *optional, *contract.unread(purpose))
        self._allowed = frozenset(column.name for column in allowed) if closed else None

    def encode_row(self, row: Mapping[str, Any]) -> list[float] | None:
        """Encode one row, or return None if it violates a rule or has an unknown category.

        This is all the work for a valid row; `encode` reports the violations of the others.
        """
        try:
            values = [parse(row[name]) for name, parse in self._encoded]
            for name, parse in self._checked:
                if parse(row[name]).__class__ is not float:
                    return None
        except KeyError:
            return None
        for value in values:
            if value.__class__ is not float:
                return None
        for name, parse in self._optional:
            if name in row and parse(row[name]).__class__ is not float:
                return None
        if self._allowed is not None and not self._allowed.issuperset(row):
            return None
        if self._dates is not None:
            self._dates.count_row(values, self._as_of(row))  # type: ignore[arg-type]
        return values  # type: ignore[return-value]  # every class was checked above

    def _as_of(self, row: Mapping[str, Any]) -> float:
        """Return the as-of date of a row in days since 1970; NaN if it is invalid."""
        if self._dates is None or self._parse_as_of is None:
            return _NAN
        if self._dates.as_of.name not in row:
            return self._dates.default
        result = self._parse_as_of(row[self._dates.as_of.name])
        return result if isinstance(result, float) else _NAN

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Encode n rows, with findings for those that violate a rule."""
        matrix = np.empty((len(rows), len(self._encoded)))
        log = _ViolationLog()
        for position, row in enumerate(rows):
            values = self.encode_row(row) if isinstance(row, Mapping) else None
            if values is None:
                values = self._report(position, row, log)
            matrix[position] = values
        return Encoded(
            entity=[
                row.get(self._entity, position if self._numbered else None)
                if isinstance(row, Mapping)
                else None
                for position, row in enumerate(rows)
            ],
            matrix=matrix,
            n_features=self._n_features,
            findings=tuple(
                Finding(column, rule, np.array(positions), self._type(column))
                for (column, rule), positions in log.violations.items()
            ),
            warnings=tuple(
                Finding(column, "unknown_category", np.array(positions), self._type(column))
                for column, positions in log.unknown_categories.items()
            ),
        )

    def _report(self, position: int, row: Any, log: _ViolationLog) -> list[float]:
        if not isinstance(row, Mapping):
            log.add(position, "", "not_a_row")
            return [_NAN] * len(self._encoded)
        values = [log.parse_cell(position, row, name, parse) for name, parse in self._encoded]
        for name, parse in self._checked:
            log.parse_cell(position, row, name, parse)
        for name, parse in self._optional:
            if name in row:
                log.parse_cell(position, row, name, parse)
        if self._allowed is not None:
            unknown = sorted(str(name) for name in row if name not in self._allowed)
            for name in unknown[:_MAX_UNKNOWN_COLUMNS]:
                # The name is untrusted and goes into messages and logs: one short line.
                printable = name if name.isprintable() else ascii(name)[1:-1]
                log.add(position, printable[:_MAX_NAME_LENGTH], "unknown_column")
        if self._dates is not None:
            self._dates.count_row(values, self._as_of(row))
        return values

    def _type(self, column: str) -> str:
        return self.contract[column].type if column in self.contract else ""


@dataclass(slots=True)
class _ViolationLog:
    """Positions of violating rows by column and rule."""

    violations: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    unknown_categories: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, position: int, column: str, rule: str) -> None:
        positions = self.violations[column, rule]
        if not positions or positions[-1] != position:
            positions.append(position)

    def parse_cell(
        self, position: int, row: Mapping[str, Any], name: str, parse: CellParser
    ) -> float:
        """Parse one cell of a row and log its violation."""
        if name not in row:
            self.add(position, name, "missing_column")
            return _NAN
        result = parse(row[name])
        if isinstance(result, UnknownCategory):
            self.unknown_categories[name].append(position)
            return result.code
        if isinstance(result, str):
            self.add(position, name, result)
            return _NAN
        return result
