"""From a recipe to a registered model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.pipeline.experiment import Experiment
    from churnkit.pipeline.gate import Gate
    from churnkit.pipeline.lifetime import Lifetime
    from churnkit.pipeline.preconditions import Needs, PreconditionError
    from churnkit.pipeline.recipe import Recipe, load_recipe
    from churnkit.pipeline.split import Split
    from churnkit.pipeline.training import TrainingResult, train

_HOMES = {
    "Experiment": "experiment",
    "Gate": "gate",
    "Lifetime": "lifetime",
    "Needs": "preconditions",
    "PreconditionError": "preconditions",
    "Recipe": "recipe",
    "Split": "split",
    "TrainingResult": "training",
    "load_recipe": "recipe",
    "train": "training",
}

__all__ = [
    "Experiment",
    "Gate",
    "Lifetime",
    "Needs",
    "PreconditionError",
    "Recipe",
    "Split",
    "TrainingResult",
    "load_recipe",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"churnkit.pipeline.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
