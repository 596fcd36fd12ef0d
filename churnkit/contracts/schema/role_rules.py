"""What the columns of one contract must be to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from churnkit.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.contracts.schema.column import Column

__all__ = ["refuse_wrong_roles"]

_READ = ("feature", "value", "cost", "context")


def refuse_wrong_roles(contract: str, columns: Sequence[Column]) -> None:
    """Refuse roles that cannot stand together.

    Raises
    ------
    ContractError
        It names the columns and says what to do.
    """
    _refuse_wrong_keys(contract, columns)
    for column in columns:
        where = f"contract '{contract}': column '{column.name}'"
        strange = [role for role in column.roles if role not in _READ]
        if strange and len(column.roles) > 1:
            raise ContractError(
                f"{where} is {' and '.join(column.roles)}: '{strange[0]}' stands alone; only "
                f"{', '.join(_READ)} can be combined"
            )
        if column.type == "datetime" and column.has_role(*_READ):
            raise ContractError(
                f"{where} is a date and cannot be a {column.role}; "
                "derive a duration from it (days since), or mark it ignore()"
            )
        if column.type == "datetime" and column.role == "label":
            raise ContractError(
                f"{where} is a date and cannot be a label: say whether the customer has left, "
                "not when"
            )
        if column.role in {"entity", "label"} and column.nullable:
            raise ContractError(
                f"{where} is the {column.role} and cannot be nullable: leave out the rows where "
                "it is not known"
            )


def _refuse_wrong_keys(contract: str, columns: Sequence[Column]) -> None:
    entities = [column for column in columns if column.has_role("entity")]
    if len(entities) != 1:
        raise ContractError(
            f"contract '{contract}' needs exactly one column with role 'entity', "
            f"it has {len(entities)}: mark the customer's id with entity()"
        )
    if entities[0].type not in {"string", "integer"}:
        raise ContractError(
            f"contract '{contract}': the entity '{entities[0].name}' has type "
            f"'{entities[0].type}': a customer's id is text or a whole number"
        )
    for role in ("as_of", "label"):
        named = [column.name for column in columns if column.has_role(role)]
        if len(named) > 1:
            raise ContractError(
                f"contract '{contract}' has {len(named)} columns with role '{role}' "
                f"({', '.join(named)}): keep one"
            )
