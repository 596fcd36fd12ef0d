"""The contract: a schema compiled to data that is stored with a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from churnkit.contracts.schema.column import Column
from churnkit.contracts.schema.table_schema import Purpose, TableSchema
from churnkit.contracts.validation.violations import to_violations
from churnkit.errors import ContractError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONTRACT_FORMAT", "Contract", "Purpose"]

CONTRACT_FORMAT = 1


@dataclass(frozen=True)
class Contract(TableSchema):
    """The required form of a table: columns with types, checks, roles and display texts.

    Parameters
    ----------
    name
        The schema's name in lower case.
    columns
        In the schema's order; their names are unique and exactly one is the entity.

    Raises
    ------
    ContractError
        If the columns do not form a valid schema.

    Examples
    --------
    >>> from churnkit.contracts import Schema, entity, feature, label
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     visits: int = feature("Visits last month", ge=0)
    ...     churned: bool = label()
    >>> contract = Contract.from_schema(Gym)
    >>> contract.feature_names
    ('visits',)
    >>> Contract.from_json(contract.to_json()) == contract
    True
    """

    @classmethod
    def from_schema(cls, schema: Any) -> Contract:
        """Compile a pandera model whose fields have roles.

        Parameters
        ----------
        schema
            A pandera ``DataFrameModel`` or ``DataFrameSchema``.

        Returns
        -------
        Contract

        Raises
        ------
        ContractError
            If a field has no role, or a type or check that cannot be stored with a model.
        """
        from churnkit.contracts.schema.from_pandera import compile_schema

        name, columns = compile_schema(schema)
        return cls(name, columns)

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON-serializable data."""
        return {
            "format": CONTRACT_FORMAT,
            "name": self.name,
            "columns": [column.to_dict() for column in self.columns],
        }

    def to_json(self) -> str:
        """Return the contract as JSON text; equal contracts have equal text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Contract:
        """Create a contract from the result of `to_dict`.

        Raises
        ------
        ContractError
            If the data have a newer format or are not a contract.
        """
        version = data.get("format")
        if version != CONTRACT_FORMAT or isinstance(version, bool):
            raise ContractError(
                f"the contract has format {version!r:.40}, this version of churnkit reads format "
                f"{CONTRACT_FORMAT}: upgrade churnkit"
            )
        try:
            columns = tuple(Column.from_dict(dict(column)) for column in data["columns"])
            unknown = sorted(set(data) - {"format", "name", "columns"})
            if unknown:
                raise ContractError(f"not a contract: unknown fields {', '.join(unknown)}")
            return cls(name=data["name"], columns=columns)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ContractError(f"not a contract: {type(error).__name__}: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Create a contract from the result of `to_json`.

        Raises
        ------
        ContractError
            If the text is not JSON or not a contract.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError, TypeError) as error:
            raise ContractError(f"not a contract: invalid JSON: {error}") from error
        if not isinstance(data, dict):
            raise ContractError("not a contract: expected a JSON object")
        return cls.from_dict(data)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the contract's canonical JSON, as ``sha256:...``."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    def validate(self, table: Any, *, purpose: Purpose = "train", name: str = "") -> None:
        """Check a table with pandera.

        Parameters
        ----------
        table
            A pandas, polars or Arrow table, or a list of dicts.
        purpose
            The purpose that decides which columns are required.
        name
            Name of the table in the message; the contract's name by default.

        Raises
        ------
        DataError
            If any rule is violated. It lists each rule with its column, count and first rows,
            but no value.
        """
        from churnkit.contracts.arrow_interop import as_arrow
        from churnkit.contracts.validation.pandera_check import check_table

        name = name or self.name
        findings = check_table(self, as_arrow(table, name=name), purpose, name=name)
        if findings:
            raise DataError(name, to_violations(findings))

    def to_json_schema(self, purpose: Purpose = "predict") -> dict[str, Any]:
        """Describe one row as JSON Schema (2020-12), including its constraints."""
        from churnkit.contracts.schema.json_schema import row_schema

        return row_schema(self, purpose)
