"""The inner loops of the allocation, compiled by numba: the same bits as numpy, in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["better", "firmer", "runner_up"]


def _compile(function: Callable[..., None]) -> Callable[..., Any]:
    # No fast mathematics: a product and a difference are rounded one after the other, as in numpy.
    try:
        kernel: Callable[..., Any] = njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:
        # Neither the package's folder nor the user's cache folder can be written.
        kernel = njit(nogil=True, error_model="numpy")(function)
    return kernel


@_compile
def better(  # noqa: PLR0917  (numba takes arguments by position)
    gain: Any, cost: Any, price: float, toll: float, code: int, best: Any, spent: Any, choice: Any
) -> None:
    """Give each row this action where its reduced gain is above the best so far."""
    wide = cost.shape[0] > 1
    for i in range(gain.shape[0]):
        part = cost[i] if wide else cost[0]
        reduced = gain[i] - toll
        if price > 0.0:
            reduced -= price * part
        if reduced > best[i]:
            best[i] = reduced
            spent[i] = part
            choice[i] = code


@_compile
def runner_up(  # noqa: PLR0917  (numba takes arguments by position)
    gain: Any, cost: Any, price: float, toll: float, code: int, first: Any, second: Any, action: Any
) -> None:
    """Keep each row's best and second best reduced gain."""
    wide = cost.shape[0] > 1
    for i in range(gain.shape[0]):
        part = cost[i] if wide else cost[0]
        reduced = gain[i] - toll
        if price > 0.0:
            reduced -= price * part
        if reduced > first[i]:
            second[i] = max(second[i], first[i])
            first[i] = reduced
            action[i] = code
        else:
            second[i] = max(second[i], reduced)


@_compile
def firmer(  # noqa: PLR0917  (numba takes arguments by position)
    gain: Any,
    cost: Any,
    price: float,
    toll: float,
    reach: float,
    wide_toll: float,
    code: int,
    first: Any,
    low: Any,
    high: Any,
    choice: Any,
) -> None:
    """Keep each row's best action with how far it may fall, and how far others may rise."""
    wide = cost.shape[0] > 1
    for i in range(gain.shape[0]):
        part = cost[i] if wide else cost[0]
        reduced = gain[i] - toll
        if price > 0.0:
            reduced -= price * part
        far = wide_toll + reach * part
        if reduced > first[i]:
            high[i] = max(high[i], first[i] + (first[i] - low[i]))
            low[i] = reduced - far
            choice[i] = code
            first[i] = reduced
        else:
            high[i] = max(high[i], reduced + far)
