"""The contract: a schema compiled to data, so that it can travel with a model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from churnkit.contracts.parsing.scalars import is_text
from churnkit.contracts.schema.column import Column
from churnkit.contracts.schema.role_rules import refuse_wrong_roles
from churnkit.contracts.validation.violations import to_violations
from churnkit.errors import ContractError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CONTRACT_FORMAT", "Contract", "Purpose"]

CONTRACT_FORMAT = 1

Purpose = Literal["predict", "recommend", "train"]

# What each use of a table must hold; the first role listed here that a column has decides.
_REQUIRED: dict[str, tuple[str, ...]] = {
    "predict": ("entity", "feature"),
    "recommend": ("entity", "feature", "value", "cost", "context"),
    "train": ("entity", "as_of", "feature", "value", "cost", "context", "label"),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "predict": ("as_of",),
    "recommend": ("as_of",),
    "train": (),
}
_DECISION_ROLES = ("value", "cost", "context")


@dataclass(frozen=True)
class Contract:
    """What a table must look like: columns with types, checks, roles and words.

    Parameters
    ----------
    name
        The schema's name in lower case.
    columns
        In the schema's order; their names are unique and exactly one is the entity.

    Examples
    --------
    >>> from churnkit.contracts import Schema, entity, feature, label
    >>> class Gym(Schema):
    ...     member_id: str = entity()
    ...     visits: int = feature("Visits last month", ge=0)
    ...     left: bool = label()
    >>> contract = Contract.from_schema(Gym)
    >>> contract.feature_names
    ('visits',)
    >>> Contract.from_json(contract.to_json()) == contract
    True
    """

    name: str
    columns: tuple[Column, ...]
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not is_text(self.name):
            raise ContractError("a contract's name is text")
        by_name = {column.name: column for column in self.columns}
        if len(by_name) != len(self.columns):
            raise ContractError(f"contract '{self.name}' names a column twice")
        object.__setattr__(self, "_by_name", by_name)
        refuse_wrong_roles(self.name, self.columns)

    @classmethod
    def from_schema(cls, schema: Any) -> Contract:
        """Compile a pandera model, whose fields carry roles, to a contract.

        Raises
        ------
        ContractError
            If a field has no role, or a type or check that cannot travel in an artefact.
        """
        from churnkit.contracts.schema.from_pandera import compile_schema

        return compile_schema(schema)

    def __getitem__(self, name: str) -> Column:
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self._by_name)
            raise ContractError(
                f"contract '{self.name}' has no column '{name}'; it has: {known}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @cached_property
    def entity(self) -> Column:
        """The column that names the customer."""
        return next(column for column in self.columns if column.role == "entity")

    @cached_property
    def features(self) -> tuple[Column, ...]:
        """The columns that a model reads, in the order of the matrix."""
        return tuple(column for column in self.columns if column.has_role("feature"))

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of `features`."""
        return tuple(column.name for column in self.features)

    @cached_property
    def categorical_features(self) -> tuple[int, ...]:
        """The positions in `features` that hold category codes."""
        return tuple(i for i, column in enumerate(self.features) if column.is_category)

    @cached_property
    def as_of(self) -> Column | None:
        """The column with the date of the row, if there is one."""
        return next((column for column in self.columns if column.has_role("as_of")), None)

    @cached_property
    def label(self) -> Column | None:
        """The column that is predicted, if the contract has one."""
        return next((column for column in self.columns if column.has_role("label")), None)

    @cached_property
    def value(self) -> Column | None:
        """The first column that says what a customer is worth, if there is one."""
        return next((column for column in self.columns if column.has_role("value")), None)

    def encoded(self, purpose: Purpose = "predict") -> tuple[Column, ...]:
        """List the columns of the encoded matrix: features first, then what decisions read."""
        if purpose != "recommend":
            return self.features
        further = tuple(
            column
            for column in self.columns
            if column.has_role(*_DECISION_ROLES) and not column.has_role("feature")
        )
        return self.features + further

    def required(self, purpose: Purpose) -> tuple[Column, ...]:
        """List the columns that a table must have for this purpose."""
        return tuple(column for column in self.columns if column.has_role(*_REQUIRED[purpose]))

    def optional(self, purpose: Purpose) -> tuple[Column, ...]:
        """List the columns that are checked where they are present."""
        return tuple(column for column in self.columns if column.has_role(*_OPTIONAL[purpose]))

    def unread(self, purpose: Purpose) -> tuple[Column, ...]:
        """List the columns that a row may hold and that this purpose does not read.

        One body then serves both a prediction and a recommendation.
        """
        read = (*self.required(purpose), *self.optional(purpose))
        return tuple(
            column
            for column in self.columns
            if column.has_role(*_DECISION_ROLES) and column not in read
        )

    def with_levels(self, levels: Mapping[str, Sequence[str]]) -> Contract:
        """Return the contract with categories learned from a training table."""
        return replace(
            self,
            columns=tuple(
                replace(column, levels=tuple(levels[column.name]))
                if column.name in levels
                else column
                for column in self.columns
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON-able data."""
        return {
            "format": CONTRACT_FORMAT,
            "name": self.name,
            "columns": [column.to_dict() for column in self.columns],
        }

    def to_json(self) -> str:
        """Return the contract as JSON text, the same text for the same contract."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Contract:
        """Rebuild a contract from `to_dict`.

        Raises
        ------
        ContractError
            If the data are of a newer format or not a contract at all.
        """
        version = data.get("format")
        if version != CONTRACT_FORMAT or isinstance(version, bool):
            raise ContractError(
                f"this contract has format {version!r}, this churnkit reads {CONTRACT_FORMAT}: "
                "upgrade churnkit"
            )
        try:
            columns = tuple(Column.from_dict(dict(column)) for column in data["columns"])
            unknown = sorted(set(data) - {"format", "name", "columns"})
            if unknown:
                raise ContractError(f"this is not a contract: it has {', '.join(unknown)}")
            return cls(name=data["name"], columns=columns)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ContractError(
                f"this is not a contract: {type(error).__name__}: {error}"
            ) from error

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Rebuild a contract from `to_json`."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError, TypeError) as error:
            raise ContractError(f"a contract is JSON, this text is not: {error}") from error
        if not isinstance(data, dict):
            raise ContractError("a contract is a JSON object, this is not one")
        return cls.from_dict(data)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the contract's canonical JSON, as ``sha256:...``."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    def validate(self, table: Any, *, purpose: Purpose = "train", name: str = "") -> None:
        """Check a whole table with pandera.

        Parameters
        ----------
        table
            A pandas, polars or Arrow table, or a list of dicts.
        purpose
            Which columns it must have.
        name
            What to call the table in the message; the contract's name if not given.

        Raises
        ------
        DataError
            If any rule is broken; it lists each broken rule with its column, count and first
            rows, and no value.
        """
        from churnkit.contracts.arrow_interop import as_arrow
        from churnkit.contracts.validation.pandera_check import check_table

        name = name or self.name
        findings = check_table(self, as_arrow(table, name=name), purpose, name=name)
        if findings:
            raise DataError(name, to_violations(findings))

    def to_json_schema(self, purpose: Purpose = "predict") -> dict[str, Any]:
        """Describe one row as JSON Schema (2020-12), with the constraints."""
        from churnkit.contracts.schema.json_schema import row_schema

        return row_schema(self, purpose)
