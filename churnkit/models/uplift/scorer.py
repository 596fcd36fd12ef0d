"""Fitted uplift models as arrays, scored with numpy alone.

Trees predict raw outputs, a transform converts them to raw effects, a calibration curve to effects;
further trees predict the variance of each effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.scorers.base import check_matrix
from churnkit.models.scorers.serialization import (
    read_array,
    read_choice,
    read_integer,
    read_number,
)
from churnkit.models.uplift.effect_transforms import Link, Way, outputs_of, raw_effects
from churnkit.trees import CompiledTrees

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["MOST_ARMS", "Curve", "UpliftScorer", "saved_trees", "trees_to_arrays"]

MOST_ARMS = 100
# Limits of a predicted log variance.
_LOG_RANGE = (-60.0, 60.0)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A piecewise linear calibration curve, extrapolated with a slope.

    Examples
    --------
    >>> Curve(np.array([0.0, 1.0]), np.array([0.0, 0.5]), 0.5).apply(np.array([-1.0, 0.5, 3.0]))
    array([-0.5 ,  0.25,  1.5 ])
    """

    knots: NDArray[np.float64]
    values: NDArray[np.float64]
    slope: float

    def apply(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrate raw effects, (n,)."""
        beyond = raw - np.clip(raw, self.knots[0], self.knots[-1])
        return np.interp(raw, self.knots, self.values) + self.slope * beyond


class UpliftScorer:
    """Effects and their spread for every action against control.

    Parameters
    ----------
    way
        How the trees' outputs become effects; see `churnkit.models.uplift.effect_transforms`.
    link
        Link of the outcome models.
    n_features
        Number of columns of the matrix.
    trees
        As many as the transform needs.
    curves
        One per action.
    spread
        Per action, trees that predict the logarithm of the effect's variance.
    """

    kind: ClassVar[str] = "uplift"

    def __init__(
        self,
        way: Way,
        link: Link,
        n_features: int,
        *,
        trees: tuple[CompiledTrees, ...],
        curves: tuple[Curve, ...],
        spread: tuple[CompiledTrees, ...],
    ) -> None:
        self.way: Way = way
        self.link: Link = link
        self.n_features = n_features
        self.trees = trees
        self.curves = curves
        self.spread_trees = spread

    @property
    def n_actions(self) -> int:
        """Number of actions, without control."""
        return len(self.curves)

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the effects, (n, actions).

        Parameters
        ----------
        X : (n, f) encoded matrix, missing as NaN
        """
        matrix = check_matrix(X, self.n_features)
        scores = [trees.raw_score for trees in self.trees]
        raw = raw_effects(
            self.way,
            self.link,
            outputs_of(self.way, scores, matrix, self.n_actions),
            self.n_actions,
        )
        return np.column_stack([c.apply(raw[:, at]) for at, c in enumerate(self.curves)])

    def spread(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the standard errors of the effects, (n, actions)."""
        matrix = check_matrix(X, self.n_features)
        logs = np.column_stack([trees.raw_score(matrix) for trees in self.spread_trees])
        return np.exp(np.clip(logs, *_LOG_RANGE) / 2.0)

    def interval(
        self, X: ArrayLike, *, level: float = 0.95
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return low, expected and high effects, each (n, actions)."""
        expected = self.predict(X)
        reach = NormalDist().inv_cdf(0.5 + level / 2.0) * self.spread(X)
        return expected - reach, expected, expected + reach

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return JSON-able settings and the arrays that together restore the scorer."""
        described: dict[str, Any] = {
            "way": self.way,
            "link": self.link,
            "n_features": self.n_features,
            "n_actions": self.n_actions,
            "slopes": [curve.slope for curve in self.curves],
        }
        arrays: dict[str, NDArray[Any]] = {}
        for name, group in (("trees", self.trees), ("spread", self.spread_trees)):
            described[name], held = trees_to_arrays(name, group)
            arrays |= held
        for at, curve in enumerate(self.curves):
            arrays[f"knots_{at}"], arrays[f"values_{at}"] = curve.knots, curve.values
        return described, arrays

    @classmethod
    def from_arrays(cls, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a scorer.

        Raises
        ------
        BundleError
            Settings and arrays do not fit together.
        """
        way: Way = read_choice(settings, "way", among=get_args(Way))  # type: ignore[assignment]
        link: Link = read_choice(settings, "link", among=get_args(Link))  # type: ignore[assignment]
        actions = read_integer(settings, "n_actions", low=1, high=MOST_ARMS)
        width = read_integer(settings, "n_features", low=1, high=2**31 - 1)
        slopes = settings.get("slopes")
        if not isinstance(slopes, list) or len(slopes) != actions:
            raise BundleError("the saved uplift has not one slope for each action")
        needed = {"effect": actions, "arms": actions + 1, "column": 1, "response": 1, "average": 0}
        trees = saved_trees(settings.get("trees"), arrays, "trees", needed[way])
        spread = saved_trees(settings.get("spread"), arrays, "spread", actions)
        wide = width + actions if way == "column" else width
        if any(t.n_features != wide for t in trees) or any(t.n_features != width for t in spread):
            raise BundleError("the trees of the saved uplift read another number of columns")
        curves = tuple(_saved_curve(arrays, at, slopes[at]) for at in range(actions))
        return cls(way, link, width, trees=trees, curves=curves, spread=spread)


def trees_to_arrays(
    name: str, group: Sequence[CompiledTrees]
) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Return the settings of sets of trees, and their arrays under ``name_0.``, ``name_1.``, ..."""
    described: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for at, member in enumerate(group):
        settings, held = member.to_arrays()
        described.append(settings)
        arrays |= {f"{name}_{at}.{key}": array for key, array in held.items()}
    return described, arrays


def saved_trees(
    described: Any, arrays: Mapping[str, NDArray[Any]], name: str, count: int
) -> tuple[CompiledTrees, ...]:
    """Restore `count` sets of trees.

    Raises
    ------
    BundleError
        If there is another number of them, or they are not trees of one output.
    """
    if not isinstance(described, list) or len(described) != count:
        raise BundleError(f"the saved uplift has another number of {name} than it needs")
    members = []
    for at, settings in enumerate(described):
        prefix = f"{name}_{at}."
        held = {
            key.removeprefix(prefix): array
            for key, array in arrays.items()
            if key.startswith(prefix)
        }
        if not isinstance(settings, dict):
            raise BundleError("the trees of the saved uplift are not described")
        members.append(CompiledTrees.from_arrays(settings, held))
        if members[-1].n_outputs != 1:
            raise BundleError("the trees of the saved uplift score classes")
    return tuple(members)


def _saved_curve(arrays: Mapping[str, NDArray[Any]], at: int, slope: Any) -> Curve:
    knots = read_array(arrays, f"knots_{at}", dtype="float64")
    values = read_array(arrays, f"values_{at}", dtype="float64", size=len(knots))
    if not len(knots) or (np.diff(knots) <= 0).any():
        raise BundleError("the knots of the saved uplift do not ascend")
    return Curve(knots, values, read_number({"slope": slope}, "slope"))
