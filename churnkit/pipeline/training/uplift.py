"""Effects of past treatments, fitted for a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from churnkit.bundle.parts.horizons import state_horizons
from churnkit.bundle.parts.uplift import ActionEffects
from churnkit.contracts.arrow_interop import as_arrow
from churnkit.contracts.encoding.table_encoder import TableEncoder
from churnkit.contracts.parsing.scalars import BLANKS, to_text
from churnkit.core.io.locations import resolve_location
from churnkit.core.io.table_sources import read_table
from churnkit.decisions.catalogue.compiled import compile_catalogue
from churnkit.errors import RecipeError
from churnkit.models.uplift.nuisance import Settings, boosted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from churnkit.bundle.parts.horizons import Horizons
    from churnkit.contracts.contract import Contract
    from churnkit.decisions.catalogue.catalogue import Catalogue
    from churnkit.decisions.catalogue.compiled import CompiledCatalogue
    from churnkit.models import UpliftModel
    from churnkit.pipeline.declarations import Experiment
    from churnkit.pipeline.recipe import Recipe
    from churnkit.pipeline.training.data.dataset import TrainingData
    from churnkit.pipeline.training.fit import Fitted

__all__ = ["UpliftArtifact", "fit_experiment"]

# An arm that the catalogue lacks cannot be given: no policy may win by it.
_UNAFFORDABLE = 1e12
_RISK_FOLDS, _RISK_ROUNDS = 5, 150


@dataclass(frozen=True)
class UpliftArtifact:
    """Fitted effects for the bundle, and the section of the model card."""

    actions: ActionEffects
    card: dict[str, Any]


def fit_experiment(
    recipe: Recipe, data: TrainingData, root: Path, fitted: Fitted | None = None
) -> UpliftArtifact | None:
    """Fit effects to a recipe's past treatments; test customers are left out.

    Parameters
    ----------
    recipe, data
        The recipe with its experiment, and the rows that its model was fitted to.
    root
        The project's folder.
    fitted
        The recipe's model, whose risk the effects start from; learned from the experiment alone if
        None.

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

    table, unmatched = _rows(recipe, experiment, root, data.contract)
    table = _with_outcome(experiment, table)
    ids = _customers(table, data.contract)
    learned = ~recipe.split.is_test(ids)
    encoded = TableEncoder(data.contract, "recommend").encode(table)
    rows = np.flatnonzero(learned & encoded.valid)
    treatments, arm = _arms(recipe, experiment, table)
    names = tuple(_action(recipe, experiment, value) for value in treatments)
    compiled = compile_catalogue(recipe.catalogue, data.contract.encoded("recommend"))
    worth, cost = _money(experiment, compiled, encoded.matrix[rows], names)
    features = np.ascontiguousarray(encoded.features[rows])
    risk = None
    if experiment.kind != "money" and fitted is not None:
        risk = _unseen_risk(fitted, data, features, np.array(ids)[rows], seed=recipe.seed)
    model = UpliftModel(
        experiment.learner,
        categorical_features=data.contract.categorical_features,
        seed=recipe.seed,
    ).fit(
        features,
        _outcome(experiment, table)[rows],
        treatment=arm[rows],
        propensity=_propensity(experiment, table, rows),
        value=worth,
        cost=cost,
        groups=np.array(ids)[rows],
        risk=risk,
    )
    outcome: Literal["staying", "money"] = "money" if experiment.kind == "money" else "staying"
    actions = ActionEffects.of(model, names, outcome, level=experiment.level)
    card = _card(model, treatments, rows=len(rows), unmatched=unmatched)
    horizons = state_horizons(data.contract, recipe.catalogue, recipe.timeline, outcome)
    card["verdict"] = _verdict(model, treatments, horizons, recipe.catalogue)
    return UpliftArtifact(actions, card)


def _customers(table: pa.Table, contract: Contract) -> list[str]:
    return [
        (to_text(value) or "").strip(BLANKS) for value in table[contract.entity.name].to_pylist()
    ]


def _unseen_risk(
    fitted: Fitted,
    data: TrainingData,
    features: NDArray[np.float64],
    customers: NDArray[np.str_],
    *,
    seed: int,
) -> NDArray[np.float64]:
    """Return the risk of the experiment's rows, (n,), by models that did not see the customer.

    The model itself has seen the outcomes of customers that it was trained on, perhaps this very
    outcome; they get the risk of small trees that were fitted to the others.
    """
    risk = np.asarray(fitted.tested.predict_proba(features)[:, 1], dtype=np.float64)
    trained = np.array(_customers(data.train.table, data.contract))
    seen = np.isin(customers, trained)
    if not seen.any():
        return risk
    numbers = np.unique(np.concatenate([trained, customers]), return_inverse=True)[1]
    folds = np.random.default_rng(seed).permutation(int(numbers.max()) + 1) % _RISK_FOLDS
    of_trained, of_rows = folds[numbers[: len(trained)]], folds[numbers[len(trained) :]]
    settings = Settings(
        seed=seed,
        num_threads=1,
        categorical=data.contract.categorical_features,
        rounds=_RISK_ROUNDS,
        num_leaves=8,
        smallest_leaf=max(20, len(trained) // 200),
    )
    weight = data.train.weight
    for fold in range(_RISK_FOLDS):
        at, unseen = np.flatnonzero(of_trained != fold), np.flatnonzero((of_rows == fold) & seen)
        if len(unseen) and len(at):
            trees = boosted(
                data.train.X[at],
                data.train.y[at].astype(np.float64),
                settings,
                rounds=settings.rounds,
                weight=None if weight is None else weight[at],
                objective="binary",
            )
            risk[unseen] = trees.predict(features[unseen])
    return risk


def _rows(
    recipe: Recipe, experiment: Experiment, root: Path, contract: Contract
) -> tuple[pa.Table, int]:
    """Read the experiment's rows, and count decisions on customers who were not there then."""
    if recipe.timeline is not None:
        rows: tuple[pa.Table, int] = _as_of_decisions(recipe, experiment, contract)
        return rows
    table: pa.Table
    source = recipe.data if experiment.data is None else experiment.data
    if callable(source):
        table = as_arrow(source(), name=recipe.name)
        return table, 0
    table = read_table(resolve_location(source, root), entity=contract.entity.name)
    return table, 0


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
    parts, unmatched = [], 0
    for moment in sorted(pc.unique(log[experiment.decided_at]).to_pylist()):
        chosen = log.filter(pc.equal(log[experiment.decided_at], pa.scalar(moment)))
        snapshot = build(timeline.at(moment), tables)
        place = pc.index_in(chosen[entity], snapshot[entity].combine_chunks())
        there = pc.is_valid(place)
        # Customers who had left before the decision, or had not come yet.
        unmatched += chosen.num_rows - int(pc.sum(there).as_py() or 0)
        part = snapshot.take(place.filter(there).combine_chunks())
        for name in added:
            part = part.append_column(name, chosen[name].filter(there))
        parts.append(part)
    table: pa.Table = pa.concat_tables(parts, promote_options="default").combine_chunks()
    return table, unmatched


def _columns(experiment: Experiment) -> tuple[str, ...]:
    chance = (experiment.propensity,) if isinstance(experiment.propensity, str) else ()
    return (experiment.treatment, experiment.outcome, *chance)


def _with_outcome(experiment: Experiment, table: pa.Table) -> pa.Table:
    """Keep the rows whose outcome is known."""
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


def _verdict(
    model: UpliftModel, treatments: list[Any], horizons: Horizons, catalogue: Catalogue
) -> str:
    """Describe what the plan does with tested actions, and which effects are assumed."""
    names = [str(value) for value in treatments]
    unit = f"{horizons.currency} a customer{horizons.over_gain}".strip()
    verdict = str(model.verdict_.in_words(names, unit=unit))
    assumed = [f"'{name}'" for name in catalogue.names if name not in names]
    return f"{verdict}; the effects of {', '.join(assumed)} are assumed" if assumed else verdict


def _card(
    model: UpliftModel, treatments: list[Any], *, rows: int, unmatched: int
) -> dict[str, Any]:
    names = [str(value) for value in treatments]
    return {
        "rows": rows,
        "rows_without_customer": unmatched,
        "learner": model.learner_,
        "policy": model.policy_,
        "policy_values": {name: value.to_dict() for name, value in model.contest_.items()},
        "value": model.verdict_.value.to_dict(),
        "gain": model.verdict_.gain.to_dict(),
        "clipped_share": model.clipped_share_,
        "average_effects": {
            name: effect.to_dict()
            for name, effect in zip(names, model.average_effects_, strict=True)
        },
        "sensitivity": {
            name: found.to_dict() for name, found in zip(names, model.sensitivity_, strict=True)
        },
        "rank_average_effects": {
            name: rate.to_dict() for name, rate in zip(names, model.rates_, strict=True)
        },
    }
