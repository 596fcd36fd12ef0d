"""Sums of a bandit's rewards, which determine its posterior."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from churnkit.errors import BundleError
from churnkit.models.scorers.serialization import read_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["OptionPart", "RewardSums"]


@dataclass(frozen=True, eq=False)
class OptionPart:
    """Sums for an option's specific part, with ``u = (1, customer)`` and ``s`` the shared row.

    Attributes
    ----------
    squares : (p, p) sum of ``u u'``
    crossed : (p, q) sum of ``u s'``
    target : (p,) sum of ``u reward``
    exposure
        Number of rewards, of all options, since the option was first shown.
    """

    squares: Floats
    crossed: Floats
    target: Floats
    exposure: float

    @classmethod
    def empty(cls, width: int, shared: int) -> OptionPart:
        """Return the sums of an option that was never shown."""
        return cls(np.zeros((width, width)), np.zeros((width, shared)), np.zeros(width), 0.0)

    @property
    def shown(self) -> float:
        """Number of rewards of the option."""
        return float(self.squares[0, 0])


@dataclass(frozen=True, eq=False)
class RewardSums:
    """Sums over the rewards of all options, discounted by their age.

    Attributes
    ----------
    weight, reward_squares
        Number of rewards, and the sum of their squares.
    squares, target : (q, q), (q,)
        Sums over the shared rows: of ``s s'`` and of ``s reward``.
    options
        Sums of each option that was shown.
    """

    weight: float
    reward_squares: float
    squares: Floats
    target: Floats
    options: Mapping[str, OptionPart] = field(default_factory=dict)

    @classmethod
    def empty(cls, shared: int) -> RewardSums:
        """Return the sums before the first reward, for shared rows of this width."""
        return cls(0.0, 0.0, np.zeros((shared, shared)), np.zeros(shared))

    def discounted(self, factor: float) -> RewardSums:
        """Return the sums with all earlier rewards weighted by a factor."""
        options = {
            name: OptionPart(
                factor * part.squares,
                factor * part.crossed,
                factor * part.target,
                factor * part.exposure,
            )
            for name, part in self.options.items()
        }
        return RewardSums(
            factor * self.weight,
            factor * self.reward_squares,
            factor * self.squares,
            factor * self.target,
            options,
        )

    def plus(
        self, customers: Floats, shared: Floats, names: NDArray[np.str_], reward: Floats
    ) -> RewardSums:
        """Return the sums with further rewards.

        Parameters
        ----------
        customers : (n, p) encoded
        shared : (n, q)
        names : (n,) option of each row
        reward : (n,)
        """
        count = len(reward)
        options = {
            name: OptionPart(part.squares, part.crossed, part.target, part.exposure + count)
            for name, part in self.options.items()
        }
        empty = OptionPart.empty(customers.shape[1], shared.shape[1])
        for name in np.unique(names).tolist():
            rows = np.flatnonzero(names == name)
            design = customers[rows]
            part = options.get(name) or OptionPart(
                empty.squares, empty.crossed, empty.target, float(count)
            )
            options[name] = OptionPart(
                part.squares + design.T @ design,
                part.crossed + design.T @ shared[rows],
                part.target + design.T @ reward[rows],
                part.exposure,
            )
        return RewardSums(
            self.weight + count,
            self.reward_squares + float(reward @ reward),
            self.squares + shared.T @ shared,
            self.target + shared.T @ reward,
            options,
        )

    def to_arrays(self, width: int) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_saved` reads, options in the order of their names.

        Parameters
        ----------
        width
            Number of columns that describe a customer.
        """
        # The empty part gives the arrays their shape where no option was shown yet.
        parts = [self.options[name] for name in sorted(self.options)]
        parts.append(OptionPart.empty(width, len(self.target)))
        return {
            "squares": self.squares,
            "target": self.target,
            "own_squares": np.stack([part.squares for part in parts])[:-1],
            "own_crossed": np.stack([part.crossed for part in parts])[:-1],
            "own_target": np.stack([part.target for part in parts])[:-1],
            "own_exposure": np.array([part.exposure for part in parts])[:-1],
        }

    @classmethod
    def from_saved(
        cls,
        settings: dict[str, Any],
        arrays: dict[str, NDArray[Any]],
        shape: tuple[int, int],
        *,
        rows: int,
        weight: float,
    ) -> RewardSums:
        """Restore the sums; BundleError if an array is missing or has another shape.

        Parameters
        ----------
        settings
            With the names of the ``options`` and ``reward_squares``.
        arrays
            As `to_arrays` returns them.
        shape
            Number of customer and of option columns, intercepts included.
        rows, weight
            Number of rewards, and its discounted number.
        """
        names = settings.get("options")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BundleError("the saved bandit's options must be a list of names")
        width, shared, count = shape[0], shape[0] * shape[1], len(names)
        shapes = {
            "squares": (shared, shared),
            "target": (shared,),
            "own_squares": (count, width, width),
            "own_crossed": (count, width, shared),
            "own_target": (count, width),
            "own_exposure": (count,),
        }
        # States of earlier versions do not have the exposures: all options were there from the start.
        arrays = {"own_exposure": np.full(count, float(rows)), **arrays}
        for name, expected in shapes.items():
            array = arrays.get(name)
            if array is None or array.shape != expected or array.dtype != np.float64:
                raise BundleError(
                    f"the saved bandit's array {name!r} must be float64 of shape {expected}"
                )
            if not np.isfinite(array).all():
                raise BundleError(
                    f"the saved bandit's array {name!r} has values that are not finite"
                )
        own = (arrays[name] for name in ("own_squares", "own_crossed", "own_target"))
        parts = zip(*own, arrays["own_exposure"].tolist(), strict=True)
        return cls(
            weight,
            read_number(settings, "reward_squares"),
            arrays["squares"],
            arrays["target"],
            {name: OptionPart(*part) for name, part in zip(names, parts, strict=True)},
        )
