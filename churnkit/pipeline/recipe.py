"""Recipes: one model each, declared in a file of ``training/``."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from churnkit.core.user_code_errors import format_exception
from churnkit.errors import ChurnkitError, RecipeError
from churnkit.pipeline.checks.preconditions import Needs
from churnkit.pipeline.training.data.holdout_split import Split
from churnkit.pipeline.training.promotion_gate import PromotionGate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from churnkit.decisions import Catalogue, Ranking
    from churnkit.pipeline.declarations import Experiment, Lifetime
    from churnkit.pipeline.training.data.row_filters import Reason
    from churnkit.timeline import Timeline

__all__ = ["Recipe", "load_recipe"]

# Folders of a project that recipes import from.
_PROJECT_PACKAGES = {"schemas", "training"}


@dataclass(frozen=True)
class Recipe:
    """Declaration of a model: schema, data, estimator, split, gate and actions.

    Parameters
    ----------
    schema
        A pandera model whose fields have roles; see `churnkit.contracts`.
    data
        Training table: a CSV or Parquet file, relative to the project's folder, or a function
        without arguments that returns a table. With a `timeline`, a function that returns the
        raw tables by name.
    timeline
        Features, label and dates over raw tables. The bundle contains it, so that features of
        served customers are built in the same way.
    model
        Unfitted estimator of `churnkit.models`. Default: `ChurnClassifier`. Its seed and
        categories are set from the recipe.
    split
        Test customers.
    gate
        Comparisons that a new model must pass to be promoted.
    actions
        What `recommend` chooses from: a `Catalogue` of actions that must pay, or a `Ranking` of
        options for a bandit.
    uplift
        Past treatments, to estimate the effects of actions for each customer.
    population_rate
        Churn rate of all customers, if the table was sampled with another one. Probabilities
        and test metrics then refer to all customers.
    monotone
        Columns with a monotone effect on churn: 1 rising, -1 falling. Candidates that do not
        support constraints are left out.
    leave_out
        Rows to leave out instead of refusing them: ``"unnamed"`` without a customer,
        ``"unlabeled"`` without a label, ``"repeated"`` duplicates.
    waive
        Findings of the leakage guard to accept, as ``"CK101:column"``; see ``docs/findings/``.
    needs
        Minimum requirements on the table.
    use, limits
        Intended use and limits, for the model card.
    slices
        Columns to compare in the model card, without personal data. Default: categories and
        boolean features.
    learning_curve
        True to estimate the value of more customers for the model card, with 15 more fits.
    lifetime
        Columns with observed lifetimes; the bundle then contains a hazard model too.
    seed
        Seed of the run. The same seed and data give the same bundle, byte for byte.
    name
        Registered name. Default: the file's name, set by `load_recipe`.
    path
        File of the recipe, set by `load_recipe`.

    Raises
    ------
    RecipeError
        If `data` is neither a path nor a function.
    """

    schema: Any
    data: str | Path | Callable[[], Any]
    timeline: Timeline | None = None
    model: Any = None
    split: Split = field(default_factory=Split)
    gate: PromotionGate = field(default_factory=PromotionGate)
    actions: Catalogue | Ranking | None = None
    uplift: Experiment | None = None
    population_rate: float | None = None
    monotone: Mapping[str, int] = field(default_factory=dict)
    leave_out: tuple[Reason, ...] = ()
    waive: tuple[str, ...] = ()
    needs: Needs = field(default_factory=Needs)
    use: str = ""
    limits: tuple[str, ...] = ()
    slices: tuple[str, ...] | None = None
    learning_curve: bool = False
    lifetime: Lifetime | None = None
    seed: int = 0
    name: str = ""
    path: Path | None = None

    def __post_init__(self) -> None:
        if not (callable(self.data) or isinstance(self.data, str | Path)):
            raise RecipeError(
                "data must be the path of one training table, or a function that returns a table, "
                f"got a {type(self.data).__name__}: with a timeline, write a function that returns "
                'the raw tables by name, such as data=lambda: {"events": raw_table("events.csv")}, '
                "with raw_table from churnkit.pipeline"
            )

    @property
    def catalogue(self) -> Catalogue | None:
        """Actions chosen by expected gain; None if there are none or they are ranked."""
        return None if self.ranking is not None else cast("Catalogue | None", self.actions)

    @property
    def ranking(self) -> Ranking | None:
        """Options ranked by a bandit; None if there are none."""
        from churnkit.decisions import Ranking

        return self.actions if isinstance(self.actions, Ranking) else None


def load_recipe(path: str | Path) -> Recipe:
    """Run a recipe file and return the recipe that it declares.

    Parameters
    ----------
    path
        A ``.py`` file in a project's ``training/``.

    Returns
    -------
    Recipe
        The recipe, with its name and path.

    Raises
    ------
    RecipeError
        If the file is missing, fails, or does not declare exactly one recipe.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise RecipeError(f"no recipe at {path}: name a file in training/")
    # A recipe bound to two names counts once.
    recipes = {
        id(value): value for value in vars(_import_file(file)).values() if isinstance(value, Recipe)
    }
    if len(recipes) != 1:
        raise RecipeError(
            f"{path} declares {len(recipes)} recipes, expected exactly one: recipe = Recipe(...)"
        )
    (recipe,) = recipes.values()
    return replace(recipe, name=recipe.name or file.stem, path=file)


def _import_file(file: Path) -> ModuleType:
    """Import a file with its project on the path, so that it can import ``schemas``."""
    spec = importlib.util.spec_from_file_location(f"churnkit_recipe_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{file} is not a .py file")
    module = importlib.util.module_from_spec(spec)
    # Modules of the same names from another project may have been imported earlier.
    for name in [name for name in sys.modules if name.partition(".")[0] in _PROJECT_PACKAGES]:
        del sys.modules[name]
    importlib.invalidate_caches()
    root = str(file.parent.parent)
    sys.path.insert(0, root)
    try:
        spec.loader.exec_module(module)
    except ChurnkitError:
        raise
    except (Exception, SystemExit) as error:
        raise RecipeError(
            f"{file.name} cannot be run: {format_exception(error, file=file)}"
        ) from error
    finally:
        sys.path.remove(root)
    return module
