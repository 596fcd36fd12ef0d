"""Rows read cell by cell: the hot path of the prediction endpoint, with no data frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.encoding.encoded import Encoded
from churnkit.contracts.parsing.cell_parsers import Unknown, compile_cell
from churnkit.contracts.validation.violations import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.contracts.contract import Contract, Purpose
    from churnkit.contracts.parsing.cell_parsers import Cell

__all__ = ["RowEncoder"]

_NAN = float("nan")
_STRANGE_SHOWN = 20
_NAME_SHOWN = 80


class RowEncoder:
    """Read, check and encode rows given as mappings.

    Parameters
    ----------
    contract
        With the levels of every encoded category.
    purpose
        ``"predict"`` or ``"recommend"``: which columns a row must have.
    lenient
        Whether text may stand for numbers (rows of a table) or not (JSON).
    closed
        Whether a column that the contract does not know is refused.

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
        self._entity = contract.entity.name
        self._n_features = len(contract.features)
        self._encoded = tuple((c.name, compile_cell(c, lenient=lenient)) for c in encoded)
        names = {column.name for column in encoded}
        self._required = tuple(
            (c.name, compile_cell(c, lenient=lenient, encode=False))
            for c in contract.required(purpose)
            if c.name not in names
        )
        self._optional = tuple(
            (c.name, compile_cell(c, lenient=lenient, encode=False))
            for c in contract.optional(purpose)
        )
        read = (*self._encoded, *self._required, *self._optional)
        known = (*(name for name, _ in read), *(c.name for c in contract.unread(purpose)))
        self._known = frozenset(known) if closed else None

    def encode_row(self, row: Mapping[str, Any]) -> list[float] | None:
        """Encode one row, or return None where it breaks a rule or holds an unknown category.

        This is the whole work for a clean row; `encode` says what was wrong with the others.
        """
        try:
            values = [cell(row[name]) for name, cell in self._encoded]
            for name, cell in self._required:
                if cell(row[name]).__class__ is not float:
                    return None
        except KeyError:
            return None
        for value in values:
            if value.__class__ is not float:
                return None
        for name, cell in self._optional:
            if name in row and cell(row[name]).__class__ is not float:
                return None
        if self._known is not None and not self._known.issuperset(row):
            return None
        return values  # type: ignore[return-value]  # every value was just seen to be a float

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Encoded:
        """Encode n rows, with findings for those that break a rule."""
        matrix = np.empty((len(rows), len(self._encoded)))
        notes = _Notes()
        for position, row in enumerate(rows):
            values = self.encode_row(row) if isinstance(row, Mapping) else None
            if values is None:
                values = self._examine(position, row, notes)
            matrix[position] = values
        return Encoded(
            entity=[row.get(self._entity) if isinstance(row, Mapping) else None for row in rows],
            matrix=matrix,
            n_features=self._n_features,
            findings=tuple(
                Finding(column, rule, np.array(places), self._type(column))
                for (column, rule), places in notes.broken.items()
            ),
            warnings=tuple(
                Finding(column, "unknown_category", np.array(places), self._type(column))
                for column, places in notes.unknown.items()
            ),
        )

    def _examine(self, position: int, row: Any, notes: _Notes) -> list[float]:
        if not isinstance(row, Mapping):
            notes.add(position, "", "not_a_row")
            return [_NAN] * len(self._encoded)
        values = [
            notes.look(position, row, name, cell, needed=True) for name, cell in self._encoded
        ]
        for name, cell in self._required:
            notes.look(position, row, name, cell, needed=True)
        for name, cell in self._optional:
            notes.look(position, row, name, cell, needed=False)
        if self._known is not None:
            strange = sorted(str(name) for name in row if name not in self._known)
            for name in strange[:_STRANGE_SHOWN]:
                # It comes from outside and goes into messages and logs: one short line.
                shown = name if name.isprintable() else ascii(name)[1:-1]
                notes.add(position, shown[:_NAME_SHOWN], "unknown_column")
        return values

    def _type(self, column: str) -> str:
        return self.contract[column].type if column in self.contract else ""


@dataclass(slots=True)
class _Notes:
    """What was wrong with rows, by column and rule."""

    broken: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    unknown: dict[str, list[int]] = field(default_factory=dict)

    def add(self, position: int, column: str, rule: str) -> None:
        places = self.broken.setdefault((column, rule), [])
        if not places or places[-1] != position:
            places.append(position)

    def look(
        self, position: int, row: Mapping[str, Any], name: str, cell: Cell, *, needed: bool
    ) -> float:
        """Read one cell of a row and note what is wrong with it."""
        if name not in row:
            if needed:
                self.add(position, name, "missing_column")
            return _NAN
        answer = cell(row[name])
        if isinstance(answer, Unknown):
            self.unknown.setdefault(name, []).append(position)
            return _NAN
        if isinstance(answer, str):
            self.add(position, name, answer)
            return _NAN
        return answer
