"""Compare two models: columns, metrics, actions, lineage, and scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from churnkit.bundle.contents import ModelContents
    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts import Contract
    from churnkit.contracts.schema.table_schema import Purpose

__all__ = ["ModelDifference", "difference", "has_other_actions", "new_requirements"]

_FACTS = ("winner", "train_rows", "test_rows", "registered_rows", "churn_rate", "evaluation")


@dataclass(frozen=True, slots=True)
class ModelDifference:
    """Differences between two models.

    Parameters
    ----------
    before, after
        Their digests.
    changes
        A record for each fact that differs: ``what``, ``before``, ``after``.
    mean_difference, largest_difference
        Absolute difference of churn probabilities on the golden rows of `before`; None where
        the models read different columns.
    """

    before: str | None
    after: str | None
    changes: tuple[dict[str, Any], ...]
    mean_difference: float | None = None
    largest_difference: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as JSON-able data."""
        return {
            "before": self.before,
            "after": self.after,
            "changes": list(self.changes),
            "mean_difference": self.mean_difference,
            "largest_difference": self.largest_difference,
        }


def difference(before: RetentionModel, after: RetentionModel) -> ModelDifference:
    """Compare two models.

    Parameters
    ----------
    before, after
        The models.

    Returns
    -------
    ModelDifference
    """
    facts = dict(_facts(before)), dict(_facts(after))
    changes = tuple(
        {"what": what, "before": facts[0].get(what), "after": facts[1].get(what)}
        for what in dict.fromkeys((*facts[0], *facts[1]))
        if facts[0].get(what) != facts[1].get(what)
    )
    return ModelDifference(before.digest, after.digest, changes, *_scores(before, after))


def new_requirements(
    contract: Contract, running: Contract, *, recommends: bool = False
) -> list[str]:
    """Return the columns that a contract requires of clients and another one does not.

    Services that run the other one refuse a model with such columns until they are restarted.

    Parameters
    ----------
    contract
        Of the newer model.
    running
        Of the model in service.
    recommends
        Whether the model in service recommends actions, which takes further columns.
    """
    purposes: tuple[Purpose, ...] = ("predict", "recommend") if recommends else ("predict",)
    new: set[str] = set()
    for purpose in purposes:
        required = {column.name for column in running.required(purpose)}
        new |= {column.name for column in contract.required(purpose)} - required
    return sorted(new)


def has_other_actions(contents: ModelContents, other: ModelContents) -> bool:
    """Return whether two models have different actions, limits, rules or options."""

    def options(parts: ModelContents) -> Any:
        return None if parts.ranker is None else parts.ranker.ranking

    return contents.catalogue != other.catalogue or options(contents) != options(other)


def _facts(model: RetentionModel) -> Iterator[tuple[str, Any]]:
    for column in model.contract.columns:
        yield f"column {column.name}", _column(column)
    for action in model.contents.actions:
        yield f"action {action.name}", f"{action.title}, {action.cost}"
    for name in _FACTS:
        yield from _leaves(name, model.card.get(name))
    if model.manifest is not None:
        yield from _leaves("lineage", model.manifest.lineage)


def _column(column: Any) -> str:
    levels = "" if column.levels is None else f", {len(column.levels)} categories"
    nullable = ", nullable" if column.nullable else ""
    return f"{column.type} ({', '.join(column.roles)}{nullable}{levels})"


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    elif value is not None and not isinstance(value, list):
        yield name, value


def _scores(
    before: RetentionModel, after: RetentionModel
) -> tuple[float, float] | tuple[None, None]:
    rows = before.contents.golden
    if rows is None or not len(rows) or _levels(before.contract) != _levels(after.contract):
        return None, None
    first, second = (
        model.contents.calibration.apply(model.contents.scorer.raw_score(rows))
        for model in (before, after)
    )
    differences = np.abs(second - first)
    return float(differences.mean()), float(differences.max())


def _levels(contract: Contract) -> Mapping[str, Any]:
    return {column.name: column.levels for column in contract.features}
