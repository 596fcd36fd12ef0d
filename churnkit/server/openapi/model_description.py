"""A model as the endpoint describes it: whose answer this is, and what it was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.bundle import RetentionModel
    from churnkit.contracts import Column

__all__ = ["describe_model", "served_by", "version_of"]

_VERSION_LENGTH = 12


def version_of(model: RetentionModel) -> str | None:
    """Return the short form of a model's digest; None for a model that was never saved."""
    if model.digest is None:
        return None
    return model.digest.removeprefix("sha256:")[:_VERSION_LENGTH]


def served_by(model: RetentionModel) -> dict[str, Any]:
    """Say which model an answer comes from."""
    return {"name": model.name, "version": version_of(model), "digest": model.digest}


def describe_model(model: RetentionModel) -> dict[str, Any]:
    """Describe a model in full: identity, lineage, card, columns and actions in words."""
    contract, actions = model.contract, model.parts.actions
    needed = {column.name for column in contract.required("predict")}
    decided = {column.name for column in contract.required("recommend")} if actions else set()
    read = {column.name for column in contract.optional("predict")} | needed | decided
    return {
        **served_by(model),
        "lineage": dict(model.manifest.lineage) if model.manifest else {},
        "card": dict(model.card),
        "contract": {"name": contract.name, "digest": contract.digest},
        "columns": [
            {
                **_describe_column(column),
                "predict": column.name in needed,
                "recommend": column.name in decided,
            }
            for column in contract.columns
            if column.name in read
        ],
        "actions": [
            {
                "name": action.name,
                "title": action.title,
                "channel": action.channel,
                "eligible": [str(rule) for rule in action.eligible],
            }
            for action in actions
        ],
    }


def _describe_column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "title": column.title,
        "unit": column.unit,
        "type": column.type,
        "roles": list(column.roles),
        "nullable": column.nullable,
        "rules": [str(check) for check in column.checks],
        "categories": None if column.levels is None else list(column.levels),
    }
