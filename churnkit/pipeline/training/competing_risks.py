"""Fit and evaluate the causes of churn of a recipe whose schema declares their column."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.contracts.parsing.arrow_columns import ParsedTable
from churnkit.contracts.parsing.scalars import read_text
from churnkit.decisions.competing_risks import check_causes
from churnkit.errors import RecipeError
from churnkit.timeline.labels import OTHER_CAUSE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from churnkit.contracts.schema.column import Column
    from churnkit.decisions import Catalogue
    from churnkit.models import CompetingRisksModel, CompetingRisksScorer
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.data.dataset import Part, TrainingData
    from churnkit.pipeline.training.fit import Fitted

__all__ = [
    "UNKNOWN_CAUSE",
    "FittedCauses",
    "check_actions_of_causes",
    "fit_causes",
    "frequent_causes",
    "texts_of_causes",
]

UNKNOWN_CAUSE = "unknown"
"""The cause of customers who churned without a recorded one."""
# As many as `Needs` requires of the training customers by default.
_FEWEST = 25
# Each cause is a hazard model of its own.
_MOST = 8
# Customers who stayed are sampled above this number of rows.
_MAX_ROWS = 200_000


@dataclass(frozen=True)
class FittedCauses:
    """Fitted hazards of the causes of churn with their evaluation.

    Parameters
    ----------
    scorer
        Scorer for the bundle.
    card
        Cumulative incidences for the model card.
    """

    scorer: CompetingRisksScorer
    card: dict[str, Any]


def fit_causes(recipe: Recipe, data: TrainingData, fitted: Fitted) -> FittedCauses | None:
    """Fit cause-specific hazards of the outcome window; None if the schema has no cause.

    The share of each cause in the hazards of all causes divides the churn probability of the
    recipe's model, so that the incidences of the causes sum to it. They are evaluated by a fit
    on the training customers, and fitted again on all for the bundle.

    Parameters
    ----------
    recipe
        The recipe, for its actions and seed.
    data
        Its customers.
    fitted
        The recipe's model.

    Returns
    -------
    FittedCauses or None

    Raises
    ------
    RecipeError
        If the table has no cause of any customer who churned, or an action prevents a cause that
        is not among those with enough customers.
    """
    column = data.contract.cause
    if column is None:
        return None
    names = check_actions_of_causes(recipe, data)
    tested = _fit(recipe, data, data.train, column, names)
    final = _fit(recipe, data, data.full, column, names)
    return FittedCauses(final.scorer_, _evaluate(data, column, names, fitted, tested.scorer_))


def check_actions_of_causes(recipe: Recipe, data: TrainingData) -> set[str]:
    """Return the causes to estimate, after a check that the recipe's actions prevent no others.

    It reads the table only, so that a wrong name is refused before the first fit.

    Parameters
    ----------
    recipe
        The recipe, for its actions.
    data
        Its customers.

    Returns
    -------
    set of str
        Names of causes; empty if the schema has no cause.

    Raises
    ------
    RecipeError
        As `fit_causes`.
    """
    column = data.contract.cause
    if column is None:
        return set()
    names = _cause_names(column, data)
    if not names - {OTHER_CAUSE, UNKNOWN_CAUSE}:
        raise RecipeError(
            f"column '{column.name}': no cause has {_FEWEST} training customers who churned: let more "
            "reasons count as one cause, or declare the column with ignore()"
        )
    catalogue = recipe.catalogue
    if catalogue is not None:
        _refuse_rare(catalogue, names, _count(column, data.train))
        check_causes(catalogue, sorted(names))
    return names


def _fit(
    recipe: Recipe, data: TrainingData, part: Part, column: Column, names: set[str]
) -> CompetingRisksModel:
    from churnkit.models import CompetingRisksModel, HazardModel

    hazard = HazardModel(
        horizon=1.0,
        categorical_features=data.contract.categorical_features,
        max_rows=_MAX_ROWS,
        seed=recipe.seed,
    )
    # The outcome window is one period, in which everybody was observed.
    return CompetingRisksModel(hazard).fit(
        part.X,
        np.ones(len(part.y)),
        _read_causes(column, part, names),
        sample_weight=part.weight,
        customer=part.customers,
    )


def _evaluate(
    data: TrainingData,
    column: Column,
    names: set[str],
    fitted: Fitted,
    causes: CompetingRisksScorer,
) -> dict[str, Any]:
    """Compare predicted with observed cumulative incidences of the test customers."""
    from churnkit.evaluation import cumulative_incidence

    test = data.test
    observed = _read_causes(column, test, names)
    curves = cumulative_incidence(np.ones(len(test.y)), observed, sample_weight=test.weight)
    probability = fitted.tested.predict_proba(test.X)[:, 1]
    predicted = probability[:, None] * causes.cause_shares(test.X)
    mean = np.average(predicted, axis=0, weights=test.weight)
    recorded = Counter(_read_causes(column, data.full, names).tolist())
    rows = []
    for position, cause in enumerate(causes.causes):
        row = {
            "cause": cause,
            "churned": recorded[cause],
            "predicted": float(mean[position]),
            "observed": 0.0,
            "low": 0.0,
            "high": None,
        }
        if cause in curves.causes:
            at = curves.causes.index(cause)
            row |= {
                "observed": float(curves.incidence[at, -1]),
                "low": float(curves.low[at, -1]),
                "high": float(curves.high[at, -1]),
            }
        rows.append(row)
    return {"customers": len(test.y), "churned": int(test.y.sum()), "causes": rows}


def _cause_names(column: Column, data: TrainingData) -> set[str]:
    """Return the most frequent causes with enough training customers; the others are one cause."""
    if column.name not in data.full.table.column_names:
        raise RecipeError(
            f"the training table has no column '{column.name}', which the schema declares as the "
            "cause of churn"
        )
    counts = _count(column, data.train)
    if not set(counts) - {UNKNOWN_CAUSE}:
        raise RecipeError(
            f"column '{column.name}': blank for all {int(data.train.y.sum()):,} training customers "
            "who churned: fill in the causes, or declare the column with ignore()"
        )
    return frequent_causes(counts, _count(column, data.full))


def frequent_causes(counts: Mapping[str, int], everything: Collection[str]) -> set[str]:
    """Return the most frequent causes of enough customers, and ``"other"`` if that leaves some.

    Parameters
    ----------
    counts
        Training customers who churned by cause.
    everything
        Causes of all customers.

    Examples
    --------
    >>> sorted(frequent_causes({"price": 80, "moved": 3}, ["price", "moved"]))
    ['other', 'price']
    """
    frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST]
    names = {name for name, count in frequent if count >= _FEWEST}
    return names if set(everything) <= names else names | {OTHER_CAUSE}


def _refuse_rare(catalogue: Catalogue, names: set[str], counts: Counter[str]) -> None:
    """Refuse actions against causes of too few customers to learn from."""
    for action in catalogue.actions:
        for cause in action.prevents:
            if cause in counts and cause not in names:
                raise RecipeError(
                    f"action '{action.name}' prevents the cause '{cause}', for which "
                    f"{counts[cause]} training customers churned: only causes of {_FEWEST} or more "
                    f"are estimated, at most {_MOST}; let more reasons count as this cause, or "
                    "remove it from prevents"
                )


def _count(column: Column, part: Part) -> Counter[str]:
    return Counter(name for name in _read_causes(column, part).tolist() if name is not None)


def _read_causes(column: Column, part: Part, names: set[str] | None = None) -> NDArray[np.object_]:
    """Return the cause of each customer who churned, (n,); None for customers who stayed.

    With `names`, a cause that is not among them is the other one.
    """
    causes = texts_of_causes(part.table, column, names)
    causes[part.y == 0] = None
    return causes


def texts_of_causes(
    table: pa.Table, column: Column, names: set[str] | None = None
) -> NDArray[np.object_]:
    """Return the recorded cause of each row, (n,), ``"unknown"`` if it is blank.

    With `names`, a cause that is not among them is the other one.
    """
    values, index = ParsedTable(table).column(column, keep=False).distinct
    texts = [read_text(value, lenient=True) or UNKNOWN_CAUSE for value in values]
    if names is not None:
        texts = [text if text in names else OTHER_CAUSE for text in texts]
    causes: NDArray[np.object_] = np.array(texts, dtype=object)[index]
    return causes
