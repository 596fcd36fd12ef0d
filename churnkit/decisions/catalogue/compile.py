"""A catalogue checked against a contract's columns, and its rules encoded as the matrix is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from churnkit.decisions.catalogue.compiled import CompiledCatalogue, Rule
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.contracts import Column
    from churnkit.core.predicate import Where
    from churnkit.decisions.catalogue.action import Action
    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["compile_catalogue"]

_ORDERED = ("<", "<=", ">", ">=")
# Categories that an error lists.
_SHOWN = 12


def compile_catalogue(
    catalogue: Catalogue, columns: Sequence[Column], *, valued: bool = True
) -> CompiledCatalogue:
    """Check `catalogue` against the columns of the encoded matrix, in its order.

    Without `valued` it need not know what a customer is worth: nothing is weighed, only rules
    are asked.

    Raises
    ------
    RecipeError
        Names the action, the column and the mend.

    Examples
    --------
    >>> from churnkit.contracts import Column
    >>> from churnkit.decisions import Action, Catalogue, Effect, Where
    >>> columns = (
    ...     Column("plan", "string", ("feature",), levels=("basic", "plus")),
    ...     Column("fee", "number", ("value",)),
    ... )
    >>> call = Action("call", "A call", 9, Effect(0, 0.1, 0.2), (Where("plan", "==", "plus"),))
    >>> compile_catalogue(Catalogue((call,)), columns).rules
    ((Rule(index=0, op='==', values=(1.0,)),),)

    """
    places = {column.name: index for index, column in enumerate(columns)}
    index = _Index(columns, places)
    for action in catalogue.actions:
        for lever in action.levers:
            index.place(f"action '{action.name}': levers", lever)
    return CompiledCatalogue(
        catalogue,
        index.value(catalogue) if valued else -1,
        cost_index=index.money(catalogue.actions, "cost"),
        rules=index.rules(catalogue.actions, "eligible"),
        width=len(columns),
        taken_index=index.money(catalogue.actions, "cost_taken"),
        applicable=index.rules(catalogue.actions, "applicable"),
        suitable=index.rules(catalogue.actions, "suitable"),
        consent_index=tuple(index.consent(action) for action in catalogue.actions),
        floors=tuple(
            tuple(_rule(f"floor '{floor.name}'", rule, columns, places) for rule in floor.where)
            for floor in catalogue.floors
        ),
    )


@dataclass(frozen=True, slots=True)
class _Index:
    """The columns of the encoded matrix, by name."""

    columns: Sequence[Column]
    places: dict[str, int]

    def place(self, said: str, name: str) -> int:
        return _place(said, name, self.places)

    def value(self, catalogue: Catalogue) -> int:
        return _value_index(catalogue, self.columns, self.places)

    def money(self, actions: Sequence[Action], part: str) -> tuple[int | None, ...]:
        return tuple(
            _money(f"action '{action.name}': {part}", money, self.columns, self.places)
            if isinstance(money := getattr(action, part), str)
            else None
            for action in actions
        )

    def rules(self, actions: Sequence[Action], kind: str) -> tuple[tuple[Rule, ...], ...]:
        return tuple(
            tuple(
                _rule(f"action '{action.name}'", rule, self.columns, self.places)
                for rule in getattr(action, kind)
            )
            for action in actions
        )

    def consent(self, action: Action) -> int | None:
        if action.consent is None:
            return None
        said = f"action '{action.name}': consent"
        place = self.place(said, action.consent)
        if self.columns[place].type != "boolean":
            raise RecipeError(
                f"{said}: column '{action.consent}' is of type {self.columns[place].type}; "
                "consent must be true or false"
            )
        return place


def _place(said: str, name: str, places: dict[str, int]) -> int:
    if name not in places:
        raise RecipeError(
            f"{said}: column '{name}' is not one that decisions can read; mark it feature(), "
            f"value(), cost() or context() in the schema, or use one of: {', '.join(places)}"
        )
    return places[name]


def _money(said: str, name: str, columns: Sequence[Column], places: dict[str, int]) -> int:
    index = _place(said, name, places)
    if columns[index].type not in {"integer", "number"}:
        raise RecipeError(
            f"{said}: column '{name}' is of type {columns[index].type}; money must be a number"
        )
    return index


def _value_index(catalogue: Catalogue, columns: Sequence[Column], places: dict[str, int]) -> int:
    name = catalogue.value
    if name is None:
        named = [column.name for column in columns if "value" in column.roles]
        if not named:
            raise RecipeError(
                "catalogue: no column says what a customer is worth; mark one with value() or "
                "feature(also=('value',)) in the schema, or name it: Catalogue(value='...')"
            )
        name = named[0]
    return _money("catalogue: value", name, columns, places)


def _rule(said: str, where: Where, columns: Sequence[Column], places: dict[str, int]) -> Rule:
    index = _place(said, where.column, places)
    column = columns[index]
    if where.op in {"is missing", "is known"}:
        return Rule(index, where.op, ())
    said = f"{said}: column '{column.name}'"
    if column.type == "datetime":
        raise RecipeError(
            f"{said} is a date; only 'is missing' and 'is known' apply. Derive a duration from "
            "it (days since) and compare that"
        )
    if where.op in _ORDERED and column.type in {"string", "boolean"}:
        raise RecipeError(
            f"{said} is of type {column.type} and has no order; use ==, !=, in or not in"
        )
    values = where.value if isinstance(where.value, tuple) else (where.value,)
    return Rule(index, where.op, tuple(_encode(said, column, where.op, v) for v in values))


def _encode(said: str, column: Column, op: str, value: Any) -> float:
    if column.type == "string" and isinstance(value, str):
        return _code(said, column, value)
    if column.type == "boolean" and isinstance(value, bool):
        return float(value)
    if column.type in {"integer", "number"} and type(value) in {int, float}:
        if column.type == "integer" and op not in _ORDERED and value != int(value):
            raise RecipeError(f"{said} holds whole numbers and can never equal {value!r}")
        return float(value)
    wanted = {"string": "text", "boolean": "True or False"}.get(column.type, "a number")
    raise RecipeError(
        f"{said} is of type {column.type} and is compared with {type(value).__name__}; "
        f"give {wanted}"
    )


def _code(said: str, column: Column, value: str) -> float:
    if column.levels is None:
        raise RecipeError(
            f"{said} has no categories yet: they are learned in training; list them in the "
            "schema with isin=[...], or check the catalogue after training"
        )
    if value not in column.levels:
        shown = ", ".join(map(repr, column.levels[:_SHOWN]))
        more = f" and {len(column.levels) - _SHOWN} more" if len(column.levels) > _SHOWN else ""
        raise RecipeError(f"{said} has no category {value!r}; it has: {shown}{more}")
    return float(column.levels.index(value))
