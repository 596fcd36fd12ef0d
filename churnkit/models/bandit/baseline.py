"""Baseline of a bandit: options shown as often as in the log, until the data can compare them.

In each posterior draw, an option is drawn with the shares of the log. If the data are too few to
estimate that option's reward under the draw's model, the draw ranks as the log did. Otherwise it
ranks by rewards, estimable options first. So an option that the data cannot judge keeps its share of
the log, and only the rest of the decisions is moved to the options that appear best (safe policy
improvement with baseline bootstrapping).

References
----------
Laroche, Trichelair, Tachet des Combes (2019). Safe policy improvement with baseline bootstrapping.
ICML. arXiv:1712.06924
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.models.bandit.posterior import ModelPosterior
    from churnkit.models.bandit.sums import OptionPart

    Floats = NDArray[np.float64]

__all__ = [
    "baseline_orders",
    "log_shares",
    "rank_by_orders",
    "required_ratios",
    "variance_ratios",
]

# An option is compared if the data explain at least as much of its prior variance as they leave,
# and up to this many times more for a state of one update, whose decisions are not tested yet.
_FIRST_CAUTION = 4.0
_GOLDEN_RATIO = 0.6180339887498949
_SILVER_RATIO = 0.4142135623730951


def log_shares(parts: Sequence[OptionPart]) -> Floats:
    """Return the share of each option in the log, (k,), equal for options that were never shown.

    An option's share is that since it was first shown. A new option has the mean share.

    Parameters
    ----------
    parts
        Sums of each option.
    """
    shares = np.array([part.shown / part.exposure if part.shown > 0 else 0.0 for part in parts])
    known = shares > 0
    shares[~known] = shares[known].mean() if known.any() else 1.0
    normalized: Floats = shares / shares.sum()
    return normalized


def baseline_orders(shares: Floats, noise: Floats, start: float) -> NDArray[np.intp]:
    """Return an order of the options for each draw, (draws, k).

    The first option has the shares as exactly as the number of draws allows, also within any
    consecutive draws; the others follow by successive sampling.

    Parameters
    ----------
    shares : (k,)
    noise : (draws, k) standard Gumbel
    start
        Start of the sequence that selects the first options, from 0 to 1.

    Examples
    --------
    >>> noise = np.random.default_rng(0).gumbel(size=(8, 2))
    >>> orders = baseline_orders(np.array([0.75, 0.25]), noise, start=0.0)
    >>> orders[:, 0].tolist()
    [0, 0, 0, 1, 0, 0, 0, 0]
    """
    draws, count = noise.shape
    points = (start + _GOLDEN_RATIO * np.arange(draws)) % 1.0
    first = np.minimum(np.searchsorted(np.cumsum(shares), points, side="right"), count - 1)
    scores = np.log(np.maximum(shares, 1e-300)) + noise
    scores[np.arange(draws), first] = np.inf
    return np.argsort(-scores, axis=1, kind="stable")


def required_ratios(
    draws: int, updates: int, parts: Sequence[OptionPart], *, forgets: bool = False
) -> Floats:
    """Return the least ratio of explained to unexplained variance, (draws, k).

    The ratios spread evenly from 1 to a bound that falls with the number of updates: the first
    updates learn from another policy's log, and a change of many decisions at once is a risk. For
    an option that was never shown, which has no share of the log to keep, the ratio is 1.

    A bandit that forgets never has much data of an option that it shows rarely, so that the
    baseline would keep it from following a change. Its ratios fall with the number of updates.
    """
    spread = (_SILVER_RATIO * np.arange(draws)) % 1.0
    known = np.array([part.shown > 0 for part in parts])
    ratios: Floats = 1.0 + _FIRST_CAUTION / max(updates, 1) * spread[:, None] * known
    return ratios / max(updates, 1) if forgets else ratios


def variance_ratios(
    model: ModelPosterior, parts: Sequence[OptionPart], option_features: Floats
) -> Floats:
    """Return the ratio of each option's explained to its unexplained prior variance, (k,).

    The prior variance is that of the option's difference from others, averaged over the customers
    who were shown the option; over all customers for a new option.

    Parameters
    ----------
    model
        Posterior under one scale.
    parts
        Sums of each option.
    option_features : (k, 1 + g)
        Encoded features, intercept included.
    """
    squares = np.stack([part.squares for part in parts])
    crossed = np.stack([part.crossed for part in parts])
    shown = squares[:, 0, 0]
    total = squares.sum(axis=0)
    width = len(model.precision)
    total = total / total[0, 0] if total[0, 0] > 0 else np.diag(np.eye(width)[0])
    # Second moments of the customers.
    moments = np.where(
        (shown > 0)[:, None, None], squares / np.maximum(shown, 1e-12)[:, None, None], total
    )
    prior_variance = (1.0 / model.shared_precision).reshape(width, -1)[:, 1:]
    prior = np.einsum("kpp,p->k", moments, 1.0 / model.precision)
    prior += np.einsum("kpp,pg,kg->k", moments, prior_variance, option_features[:, 1:] ** 2)
    inner = np.linalg.inv(squares + np.diag(model.precision))
    posterior = np.einsum("kpr,krp->k", moments, inner)
    # The value of customer u is (u x option features)' shared + u' own, and given the shared
    # coefficients the mean of own is inner (target - crossed shared).
    identity = np.einsum("pr,kg->kpgr", np.eye(width), option_features)
    slope = identity.reshape(len(parts), -1, width) - np.swapaxes(crossed, 1, 2) @ inner
    half = np.linalg.solve(np.broadcast_to(model.root, (len(parts), *model.root.shape)), slope)
    posterior += np.einsum("kqp,kpr,kqr->k", half, moments, half, optimize=True)
    ratios: Floats = prior / posterior - 1.0
    return ratios


def rank_by_orders(values: Floats, orders: NDArray[np.intp], reliable: NDArray[np.bool_]) -> Floats:
    """Return each draw's values, exchanged between options where the baseline decides.

    Parameters
    ----------
    values : (draws, n, k)
    orders : (draws, k) order of the baseline
    reliable : (draws, k) True where the data can estimate an option's value
    """
    if reliable.all():
        return values
    exchanged = np.empty_like(values)
    ranks = np.argsort(orders, axis=1)
    for draw, order in enumerate(orders):
        if not reliable[draw, order[0]]:
            # The baseline decides the whole order.
            np.take(
                -np.sort(-values[draw], axis=1),
                ranks[draw],
                axis=1,
                out=exchanged[draw],
                mode="clip",
            )
        elif reliable[draw].all():
            exchanged[draw] = values[draw]
        else:
            exchanged[draw] = _reliable_first(values[draw], reliable[draw])
    return exchanged


def _reliable_first(values: Floats, reliable: NDArray[np.bool_]) -> Floats:
    """Exchange the values of one draw, (n, k), so that reliable options have the largest ones."""
    by_value = np.argsort(-values, axis=1, kind="stable")
    largest = np.take_along_axis(values, by_value, axis=1)
    # Reliable options by value, then the others by value.
    is_last = ~reliable[by_value]
    by_value = np.take_along_axis(by_value, np.argsort(is_last, axis=1, kind="stable"), axis=1)
    exchanged = np.empty_like(values)
    np.put_along_axis(exchanged, by_value, largest, axis=1)
    return exchanged
