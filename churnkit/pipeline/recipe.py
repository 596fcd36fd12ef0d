"""A recipe: everything that one model is made of, declared in one file of ``training/``."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from churnkit.core.user_code_errors import failure
from churnkit.errors import ChurnkitError, RecipeError
from churnkit.pipeline.checks.preconditions import Needs
from churnkit.pipeline.training.holdout_split import Split
from churnkit.pipeline.training.promotion_gate import PromotionGate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from churnkit.decisions import Catalogue, Ranking
    from churnkit.pipeline.declarations import Experiment, Lifetime
    from churnkit.pipeline.training.row_filters import Reason
    from churnkit.timeline import Timeline

__all__ = ["Recipe", "load_recipe"]

# The folders of a project that a recipe may import from.
_OWN_FOLDERS = {"schemas", "training"}


@dataclass(frozen=True)
class Recipe:
    """What a model is made of.

    Parameters
    ----------
    schema
        A pandera model whose fields carry roles; see `churnkit.contracts`.
    data
        The training table: a CSV or Parquet file, named from the project's folder, or a
        function without arguments that returns a table.
        With a `timeline`, a function that returns the raw tables by name.
    timeline
        How the training table is made from raw tables; the bundle keeps it, so that a served
        customer's features are made in the same way.
    model
        An unfitted estimator of `churnkit.models`; `ChurnClassifier` if not given. Its seed
        and its categories are set from the recipe.
    split
        Which customers are held out for the test.
    gate
        What a new model must beat.
    actions
        What `recommend` chooses from, if anything: a `Catalogue` of actions that must pay, or a
        `Ranking` of options of which it is learned what suits whom.
    uplift
        Past treatments, from which the effects of the actions that were tried are measured.
    population_rate
        Which share of all customers churns, where the table holds another share on purpose:
        churners drawn more often, or as many of each. Probabilities, and the figures of the
        test, are then those of all customers.
    monotone
        Columns that churn may only rise with (1) or only fall with (-1); candidates that
        cannot promise it do not take part.
    leave_out
        Rows of the training table that are left out and counted, where they would else be
        refused: ``"unnamed"`` without a customer, ``"unlabelled"`` without a label,
        ``"repeated"`` word for word.
    waive
        Findings of the leakage guard that are known and meant, as ``"CK101:column"``; see
        ``docs/findings/``.
    needs
        The least that the table must offer before a model is fitted to it.
    use, limits
        For the model card: what the model is for, and what a reader should not conclude.
    slices
        The columns whose groups the card compares; categories and yes-or-no features if not
        given. Any column may be named that is not personal data.
    learning_curve
        Whether the card says if more customers would help; the model is then fitted 15 more
        times.
    lifetime
        Where the table says how long customers stayed; the bundle then holds a hazard as well.
    seed
        The same seed and data give the same bundle, byte for byte.
    name
        The registered name; the file's own, set by `load_recipe`.
    path
        The file; set by `load_recipe`.
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

    @property
    def catalogue(self) -> Catalogue | None:
        """The actions, where they are weighed."""
        return None if self.ranking is not None else cast("Catalogue | None", self.actions)

    @property
    def ranking(self) -> Ranking | None:
        """The options, where they are ranked."""
        from churnkit.decisions import Ranking

        return self.actions if isinstance(self.actions, Ranking) else None


def load_recipe(path: str | Path) -> Recipe:
    """Run a recipe file and return the recipe that it declares.

    Raises
    ------
    RecipeError
        If the file is missing, fails, or does not declare exactly one recipe.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise RecipeError(f"there is no recipe at {path}: give a file of training/")
    # The same recipe under two names is one recipe.
    found = {id(value): value for value in vars(_run(file)).values() if isinstance(value, Recipe)}
    if len(found) != 1:
        raise RecipeError(
            f"{path} declares {len(found)} recipes, it needs exactly one: recipe = Recipe(...)"
        )
    recipe = next(iter(found.values()))
    return replace(recipe, name=recipe.name or file.stem, path=file)


def _run(file: Path) -> ModuleType:
    """Import the file as a member of its project, so that ``schemas`` can be imported."""
    spec = importlib.util.spec_from_file_location(f"churnkit_recipe_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{file} cannot be read as Python: a recipe is a .py file")
    module = importlib.util.module_from_spec(spec)
    # Another project's modules, imported earlier in this process, must not answer for ours.
    for name in [name for name in sys.modules if name.partition(".")[0] in _OWN_FOLDERS]:
        del sys.modules[name]
    importlib.invalidate_caches()
    root = str(file.parent.parent)
    sys.path.insert(0, root)
    try:
        spec.loader.exec_module(module)
    except ChurnkitError:
        raise
    except (Exception, SystemExit) as error:
        raise RecipeError(f"{file.name} cannot be run: {failure(error, file=file)}") from error
    finally:
        sys.path.remove(root)
    return module
