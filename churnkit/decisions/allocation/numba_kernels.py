"""Inner loops of the allocation, compiled by numba: bit-identical to numpy, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["update_best", "update_best_two", "update_settled"]


def _compile(function: Callable[..., None]) -> Callable[..., Any]:
    # No fast math: product and difference are rounded separately, as in numpy.
    try:
        kernel: Callable[..., Any] = njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:
        # Neither the package folder nor the user's cache folder is writable.
        kernel = njit(nogil=True, error_model="numpy")(function)
    return kernel


@_compile
def update_best(  # noqa: PLR0917  (numba takes arguments by position)
    gain: Any,
    cost: Any,
    price: float,
    capacity_cost: float,
    code: int,
    best: Any,
    spent: Any,
    choice: Any,
) -> None:
    """Set each row to this action where its reduced gain exceeds the best so far."""
    wide = cost.shape[0] > 1
    for i in range(gain.shape[0]):
        part = cost[i] if wide else cost[0]
        reduced = gain[i] - capacity_cost
        if price > 0.0:
            reduced -= price * part
        if reduced > best[i]:
            best[i] = reduced
            spent[i] = part
            choice[i] = code


@_compile
def update_best_two(  # noqa: PLR0917  (numba takes arguments by position)
    gain: Any,
    cost: Any,
    price: float,
    capacity_cost: float,
    code: int,
    first: Any,
    second: Any,
    action: Any,
) -> None:
    """Update each row's best and second-best reduced gain."""
    wide = cost.shape[0] > 1
    for i in range(gain.shape[0]):
        part = cost[i] if wide else cost[0]
        reduced = gain[i] - capacity_cost
        if price > 0.0:
            reduced -= price * part
        if reduced > first[i]:
            second[i] = max(second[i], first[i])
            first[i] = reduced
            action[i] = code
        else:
            second[i] = max(second[i], reduced)


@_compile
def update_settled(  # noqa: PLR0917  (numba takes arguments by position)
    gain: Any,
    cost: Any,
    price: float,
    capacity_cost: float,
    price_radius: float,
    capacity_radius: float,
    code: int,
    first: Any,
    low: Any,
    high: Any,
    choice: Any,
) -> None:
    """Update each row's best action, its lower bound and the upper bound of all others."""
    wide = cost.shape[0] > 1
    for i in range(gain.shape[0]):
        part = cost[i] if wide else cost[0]
        reduced = gain[i] - capacity_cost
        if price > 0.0:
            reduced -= price * part
        radius = capacity_radius + price_radius * part
        if reduced > first[i]:
            high[i] = max(high[i], first[i] + (first[i] - low[i]))
            low[i] = reduced - radius
            choice[i] = code
            first[i] = reduced
        else:
            high[i] = max(high[i], reduced + radius)
