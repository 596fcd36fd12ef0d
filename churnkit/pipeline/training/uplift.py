"""Past treatments as a recipe declares them, and the effects that are fitted to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.bundle.parts.uplift import ActionEffects
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.core.io.table_file import read_table
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.models import UpliftModel
    from churnkit.pipeline.declarations import Experiment
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.dataset import TrainingData

__all__ = ["UpliftArtifact", "fit_experiment"]

# An arm that the catalogue lacks can never be given: no policy may win by it.
_UNAFFORDABLE = 1e12


@dataclass(frozen=True)
class UpliftArtifact:
    """What fitting an experiment came to: what the bundle keeps, and what the card says."""

    actions: ActionEffects
    card: dict[str, Any]


def fit_experiment(recipe: Recipe, data: TrainingData, root: Path) -> UpliftArtifact | None:
    """Fit effects to a recipe's past treatments; the test customers' are left out.

    Raises
    ------
    RecipeError
        If the experiment does not fit the catalogue or its table.
    ModelDataError
        If the rows cannot be used.
    """
    experiment = recipe.uplift
    if experiment is None:
        return None
    if recipe.catalogue is None:
        raise RecipeError(f"recipe '{recipe.name}': an experiment needs actions=Catalogue(...)")
    from churnkit.models import UpliftModel

    table = _known(experiment, _rows(recipe, experiment, root, data.contract))
    ids = [
        (to_text(one) or "").strip(BLANKS) for one in table[data.contract.entity.name].to_pylist()
    ]
    learned = ~recipe.split.is_test(ids)
    encoded = TableEncoder(data.contract, "recommend").encode(table)
    rows = np.flatnonzero(learned & encoded.valid)
    treatments, arm = _arms(recipe, experiment, table)
    names = tuple(_action(recipe, experiment, value) for value in treatments)
    compiled = compile_catalogue(recipe.catalogue, data.contract.encoded("recommend"))
    worth, cost = _money(experiment, compiled, encoded.matrix[rows], names)
    model = UpliftModel(
        experiment.learner,
        categorical_features=data.contract.categorical_features,
        seed=recipe.seed,
    ).fit(
        np.ascontiguousarray(encoded.features[rows]),
        _outcome(experiment, table)[rows],
        treatment=arm[rows],
        propensity=_propensity(experiment, table, rows),
        value=worth,
        cost=cost,
        groups=np.array(ids)[rows],
    )
    outcome: Literal["staying", "money"] = "money" if experiment.kind == "money" else "staying"
    actions = ActionEffects(model.scorer_, names, outcome, experiment.level)
    return UpliftArtifact(actions, _card(model, treatments, rows=len(rows)))


def _rows(recipe: Recipe, experiment: Experiment, root: Path, contract: Contract) -> pa.Table:
    if recipe.timeline is not None:
        return _as_of_decisions(recipe, experiment, contract)
    source = recipe.data if experiment.data is None else experiment.data
    if callable(source):
        return as_arrow(source(), name=recipe.name)
    path = Path(source)
    return read_table(path if path.is_absolute() else root / path)


def _as_of_decisions(recipe: Recipe, experiment: Experiment, contract: Contract) -> pa.Table:
    """Make each decision's features from what was known before it."""
    from churnkit.timeline import build

    tables = cast("Callable[[], Any]", recipe.data)()
    if experiment.table is None or experiment.table not in tables:
        raise RecipeError(
            f"recipe '{recipe.name}': with a timeline an experiment names the raw table of its "
            f"decisions, table='...'; there are: {', '.join(tables)}"
        )
    log = as_arrow(tables[experiment.table], name=experiment.table)
    timeline, entity = cast("Any", recipe.timeline), contract.entity.name
    added = [name for name in _columns(experiment) if name in log.column_names]
    parts = []
    for moment in sorted(pc.unique(log[experiment.decided_at]).to_pylist()):
        chosen = log.filter(pc.equal(log[experiment.decided_at], pa.scalar(moment)))
        snapshot = build(timeline.at(moment), tables)
        place = pc.index_in(chosen[entity], snapshot[entity].combine_chunks())
        there = pc.is_valid(place)
        part = snapshot.take(place.filter(there).combine_chunks())
        for name in added:
            part = part.append_column(name, chosen[name].filter(there))
        parts.append(part)
    return pa.concat_tables(parts, promote_options="default").combine_chunks()


def _columns(experiment: Experiment) -> tuple[str, ...]:
    chance = (experiment.propensity,) if isinstance(experiment.propensity, str) else ()
    return (experiment.treatment, experiment.outcome, *chance)


def _known(experiment: Experiment, table: pa.Table) -> pa.Table:
    missing = [name for name in _columns(experiment) if name not in table.column_names]
    if missing:
        raise RecipeError(f"experiment: its table has no column '{missing[0]}'")
    return table.filter(pc.is_valid(table[experiment.outcome])).combine_chunks()


def _arms(
    recipe: Recipe, experiment: Experiment, table: pa.Table
) -> tuple[list[Any], NDArray[np.int64]]:
    """Number the treatments: 0 for control, the others in the order of their names."""
    given = table[experiment.treatment].to_pylist()
    others = sorted(set(given) - {experiment.control}, key=str)
    if experiment.control not in given or not others:
        raise RecipeError(
            f"recipe '{recipe.name}': column '{experiment.treatment}' of the experiment must hold "
            f"{experiment.control!r} for customers to whom nothing was done, and at least one "
            "action; say control='...'"
        )
    number = {experiment.control: 0} | {value: at for at, value in enumerate(others, start=1)}
    return others, np.array([number[value] for value in given], dtype=np.int64)


def _action(recipe: Recipe, experiment: Experiment, value: Any) -> str | None:
    names = cast("Any", recipe.catalogue).names
    name = experiment.actions.get(value, value)
    if value in experiment.actions and name not in names:
        raise RecipeError(
            f"recipe '{recipe.name}': the experiment names action '{name}', which the catalogue "
            f"lacks; it has: {', '.join(names)}"
        )
    return str(name) if name in names else None


def _outcome(experiment: Experiment, table: pa.Table) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.asarray(
        table[experiment.outcome].cast(pa.float64()).to_numpy(), dtype=np.float64
    )
    return 1.0 - found if experiment.kind == "churned" else found


def _propensity(
    experiment: Experiment, table: pa.Table, rows: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    if experiment.propensity is None:
        return None
    if isinstance(experiment.propensity, str):
        chance = table[experiment.propensity].cast(pa.float64()).to_numpy()
        return np.asarray(chance, dtype=np.float64)[rows]
    return np.full(len(rows), float(experiment.propensity))


def _money(
    experiment: Experiment,
    compiled: CompiledCatalogue,
    matrix: NDArray[np.float64],
    names: tuple[str | None, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what a unit of the outcome is worth (n,), and what the arms cost (n, arms - 1)."""
    catalogue = compiled.catalogue
    worth = np.full(len(matrix), catalogue.margin)
    if experiment.kind != "money":
        worth = (
            worth
            * catalogue.annuity_factor(catalogue.periods)
            * np.maximum(np.nan_to_num(compiled.value(matrix)), 0.0)
        )
    prices = np.broadcast_to(compiled.cost(matrix), (len(matrix), len(catalogue.names)))
    cost = np.full((len(matrix), len(names)), _UNAFFORDABLE)
    for at, name in enumerate(names):
        if name is not None:
            known = prices[:, catalogue.names.index(name)]
            cost[:, at] = np.where(np.isfinite(known), known, _UNAFFORDABLE)
    return worth, cost


def _card(model: UpliftModel, treatments: list[Any], *, rows: int) -> dict[str, Any]:
    names = [str(value) for value in treatments]
    return {
        "rows": rows,
        "learner": model.learner_,
        "verdict": model.verdict_.in_words(names),
        "gain": model.verdict_.gain.to_dict(),
        "clipped_share": model.clipped_share_,
        "average_effects": {
            name: effect.to_dict()
            for name, effect in zip(names, model.average_effects_, strict=True)
        },
        "rank_average_effects": {
            name: rate.to_dict() for name, rate in zip(names, model.rates_, strict=True)
        },
    }
