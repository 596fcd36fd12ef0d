"""The columns of a table: their roles, and which of them each purpose needs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from churnkit.contracts.parsing.scalars import is_text
from churnkit.contracts.validation.violations import Violation
from churnkit.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from churnkit.contracts.schema.column import Column

__all__ = ["ENCODED_ROLES", "Purpose", "TableSchema"]

Purpose = Literal["predict", "recommend", "train"]

_DECISION_ROLES = ("value", "cost", "context")
ENCODED_ROLES = ("feature", *_DECISION_ROLES)
_REQUIRED: dict[str, tuple[str, ...]] = {
    "predict": ("entity", "feature"),
    "recommend": ("entity", *ENCODED_ROLES),
    "train": ("entity", "as_of", *ENCODED_ROLES, "label"),
}
_OPTIONAL: dict[str, tuple[str, ...]] = {
    "predict": ("as_of",),
    "recommend": ("as_of",),
    "train": ("cause",),
}


@dataclass(frozen=True)
class TableSchema:
    """Named columns with roles.

    Parameters
    ----------
    name
        Name of the schema, used in messages.
    columns
        Columns with unique names, exactly one of them the entity.

    Raises
    ------
    ContractError
        If the roles of the columns contradict each other.
    """

    name: str
    columns: tuple[Column, ...]
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not is_text(self.name):
            raise ContractError("the name of a contract must be text")
        by_name = {column.name: column for column in self.columns}
        if len(by_name) != len(self.columns):
            raise ContractError(f"contract '{self.name}' has duplicate column names")
        object.__setattr__(self, "_by_name", by_name)
        _check_keys(self.name, self.columns)
        for column in self.columns:
            _check_roles(f"contract '{self.name}': column '{column.name}'", column)
        if self.date_features and (self.as_of is None or self.as_of.type != "datetime"):
            name = self.features[self.date_features[0]].name
            raise ContractError(
                f"contract '{self.name}': the feature '{name}' is a date, which is encoded as the days "
                "before the date of the row: declare that date with as_of(), or, if the table has no "
                'such column, with as_of(default="YYYY-MM-DD") and the day of the export'
            )

    def __getitem__(self, name: str) -> Column:
        try:
            return self._by_name[name]
        except KeyError:
            raise ContractError(
                f"contract '{self.name}' has no column '{name}'; it has: {', '.join(self._by_name)}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @cached_property
    def entity(self) -> Column:
        """The column with the customer's id."""
        return next(column for column in self.columns if column.role == "entity")

    @cached_property
    def features(self) -> tuple[Column, ...]:
        """The inputs of the model, in the order of the matrix."""
        return tuple(column for column in self.columns if column.has_role("feature"))

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """The names of `features`."""
        return tuple(column.name for column in self.features)

    @cached_property
    def categorical_features(self) -> tuple[int, ...]:
        """The positions in `features` of category codes."""
        return tuple(i for i, column in enumerate(self.features) if column.is_category)

    @cached_property
    def date_features(self) -> tuple[int, ...]:
        """The positions in `features` of dates, which are encoded as days before the as-of date."""
        return tuple(i for i, column in enumerate(self.features) if column.type == "datetime")

    @cached_property
    def as_of(self) -> Column | None:
        """The column with the date of the row, if any."""
        return self._first("as_of")

    @cached_property
    def label(self) -> Column | None:
        """The prediction target, if any."""
        return self._first("label")

    @cached_property
    def cause(self) -> Column | None:
        """The cause of churn, if any."""
        return self._first("cause")

    @cached_property
    def value(self) -> Column | None:
        """The first column with the customer's value, if any."""
        return self._first("value")

    def _first(self, role: str) -> Column | None:
        return next((column for column in self.columns if column.has_role(role)), None)

    def encoded(self, purpose: Purpose = "predict") -> tuple[Column, ...]:
        """List the columns of the encoded matrix: features first, then inputs of decisions."""
        if purpose != "recommend":
            return self.features
        return self.features + tuple(
            column
            for column in self.columns
            if column.has_role(*_DECISION_ROLES) and not column.has_role("feature")
        )

    def required(self, purpose: Purpose) -> tuple[Column, ...]:
        """List the columns that a table must have for this purpose."""
        return tuple(
            column
            for column in self.columns
            if (column.has_role(*_REQUIRED[purpose]) or self._dates_rows(column))
            and not column.has_default
        )

    def optional(self, purpose: Purpose) -> tuple[Column, ...]:
        """List the columns that are checked if present."""
        return tuple(
            column
            for column in self.columns
            if (column.has_role(*_OPTIONAL[purpose]) and not self._dates_rows(column))
            or column.has_default
        )

    def _dates_rows(self, column: Column) -> bool:
        """Return True for the as-of date from which features are counted."""
        return column.role == "as_of" and bool(self.date_features)

    def unread(self, purpose: Purpose) -> tuple[Column, ...]:
        """List the columns that a row may have but that this purpose does not read.

        The same request body then serves a prediction and a recommendation.
        """
        read = {column.name for column in (*self.required(purpose), *self.optional(purpose))}
        return tuple(
            column
            for column in self.columns
            if column.has_role(*_DECISION_ROLES) and column.name not in read
        )

    def missing_columns(self, purpose: Purpose, names: Iterable[str]) -> list[Violation]:
        """List the columns that this purpose requires and that are not among `names`."""
        present = set(names)
        return [
            Violation(column.name, "missing_column", 1)
            for column in self.required(purpose)
            if column.name not in present
        ]

    def with_levels(self, levels: Mapping[str, Sequence[str]]) -> Self:
        """Return the schema with categories learned from a training table."""
        return replace(
            self,
            columns=tuple(
                replace(column, levels=tuple(levels[column.name]))
                if column.name in levels
                else column
                for column in self.columns
            ),
        )


def _check_roles(where: str, column: Column) -> None:
    exclusive = [role for role in column.roles if role not in ENCODED_ROLES]
    if exclusive and len(column.roles) > 1:
        raise ContractError(
            f"{where} has the roles {' and '.join(column.roles)}: '{exclusive[0]}' cannot be "
            f"combined with others; only {', '.join(ENCODED_ROLES)} can"
        )
    if column.type == "datetime" and column.has_role(*_DECISION_ROLES):
        raise ContractError(
            f"{where} is a date and cannot be a {column.role}: derive a duration from it (days "
            "since), or declare it with feature() or ignore()"
        )
    if column.has_role("account", "parent") and column.type not in {"string", "integer"}:
        raise ContractError(f"{where} is the {column.role} and must be text or an integer")
    if column.role == "cause" and not (column.type == "string" and column.nullable):
        raise ContractError(
            f"{where} is the cause of churn and must be text and nullable=True: it is blank for "
            "customers who stayed"
        )
    is_date_label = column.type == "datetime" and column.role == "label"
    if is_date_label and not column.nullable:
        raise ContractError(
            f"{where} is a date and cannot be a label: a label is whether a customer churned, "
            "not when; if customers who stayed have no date, declare it nullable=True"
        )
    if column.default and column.role != "as_of":
        raise ContractError(f"{where} is a {column.role}: only the as-of date has a default")
    if column.numbered and column.role != "entity":
        raise ContractError(f"{where} is a {column.role}: only the entity can be numbered")
    # A blank date or text of a label means stayed; a blank among 1 and 0 is an unknown outcome.
    has_blanks = column.role == "label" and column.type in {"datetime", "string"}
    if column.role in {"entity", "label"} and column.nullable and not has_blanks:
        raise ContractError(
            f"{where} is the {column.role} and cannot be nullable: remove the rows where it is "
            "missing"
        )


def _check_keys(contract: str, columns: Sequence[Column]) -> None:
    entities = [column for column in columns if column.has_role("entity")]
    if len(entities) != 1:
        raise ContractError(
            f"contract '{contract}' needs exactly one column with role 'entity', "
            f"got {len(entities)}: declare the customer's id with entity()"
        )
    if entities[0].type not in {"string", "integer"}:
        raise ContractError(
            f"contract '{contract}': the entity '{entities[0].name}' has type "
            f"'{entities[0].type}', but a customer's id must be text or an integer"
        )
    for role in ("as_of", "label", "cause", "account", "parent"):
        names = [column.name for column in columns if column.has_role(role)]
        if len(names) > 1:
            raise ContractError(
                f"contract '{contract}' has {len(names)} columns with role '{role}' "
                f"({', '.join(names)}): keep one"
            )
