"""Share of a customer's churn risk that each action can prevent, by the causes of churn.

A call does not mend a card: an action with ``prevents=("voluntary",)`` acts on the risk of leaving
for this cause only. The preventable risk is ``churn_probability x share``, where the share is the
cumulative incidence of the action's causes over that of all causes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["check_causes", "check_preventable", "check_preventable_row", "preventable_shares"]


def preventable_shares(
    catalogue: Catalogue, causes: Sequence[str], cause_shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of the churn risk that each action can prevent, (n, m).

    Parameters
    ----------
    catalogue
        The actions.
    causes
        Names of the k causes.
    cause_shares
        (n, k) share of each cause in a customer's churn risk; the shares of a customer sum to 1.

    Returns
    -------
    (n, m) from 0 to 1; 1 for actions against all causes.

    Raises
    ------
    RecipeError
        If an action names an unknown cause.

    Examples
    --------
    >>> from churnkit.decisions import Action, Catalogue, Effect
    >>> call = Action("call", "A call", effect=Effect(0, 0.1, 0.2), prevents=("voluntary",))
    >>> offer = Action("offer", "20% off", effect=Effect(0, 0.1, 0.2))
    >>> shares = np.array([[0.75, 0.25]])
    >>> preventable_shares(Catalogue((call, offer)), ["involuntary", "voluntary"], shares)
    array([[0.25, 1.  ]])
    """
    check_causes(catalogue, causes)
    result = np.ones((len(cause_shares), len(catalogue.actions)))
    for position, action in enumerate(catalogue.actions):
        if action.prevents:
            own = [column for column, cause in enumerate(causes) if cause in action.prevents]
            # The rounded sum of all shares may exceed 1.
            result[:, position] = np.minimum(cause_shares[:, own].sum(axis=1), 1.0)
    return result


def check_causes(catalogue: Catalogue, causes: Sequence[str]) -> None:
    """Refuse actions that prevent unknown causes.

    Raises
    ------
    RecipeError
        Names the action and the cause.
    """
    for action in catalogue.actions:
        unknown = [cause for cause in action.prevents if cause not in causes]
        if unknown:
            raise RecipeError(
                f"action '{action.name}': prevents the cause '{unknown[0]}', which is not one of "
                f"{', '.join(causes) or 'the causes of the training table: there are none'}"
            )


def refuse_without_shares(catalogue: Catalogue, *, given: bool) -> None:
    """Raise if an action prevents some causes only and no shares are given.

    Raises
    ------
    RecipeError
        With the remedy.
    """
    limited = [action.name for action in catalogue.actions if action.prevents]
    if limited and not given:
        raise RecipeError(
            f"action '{limited[0]}' prevents some causes of churn only: decide through the model "
            "(recommend, churnkit plan), or pass "
            "preventable_share=model.preventable_share(customers)"
        )


def check_preventable(
    catalogue: Catalogue, share: ArrayLike | None, churn_probability: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Return the shares of n customers and m actions if they are valid, (n, m).

    Parameters
    ----------
    catalogue
        The m actions.
    share
        (n, m) from 0 to 1; NaN only for unscored customers.
    churn_probability
        (n,) NaN for unscored customers.

    Raises
    ------
    RecipeError
        If an action prevents some causes only and there are no shares.
    DataError
        If the shares are no numbers, the shape differs, a share is outside 0 to 1, or it is
        missing for a scored customer.
    """
    refuse_without_shares(catalogue, given=share is not None)
    if share is None:
        return None
    try:
        shares = np.asarray(share, dtype=np.float64)
    except (TypeError, ValueError):
        # The cause would show the value.
        raise DataError("preventable_share", ["not an array of numbers"]) from None
    shape = (len(churn_probability), len(catalogue.actions))
    if shares.shape != shape:
        raise DataError("preventable_share", [f"shape {shares.shape}: must be {shape}"])
    missing = np.isnan(shares)
    _refuse_shares(
        outside=int(np.count_nonzero(~missing & ~((shares >= 0.0) & (shares <= 1.0)))),
        missing=int(np.count_nonzero(missing[~np.isnan(churn_probability)])),
    )
    return shares


def check_preventable_row(
    catalogue: Catalogue, share: Sequence[float] | None, churn_probability: float
) -> None:
    """Check the shares of one customer as `check_preventable` does, without arrays.

    Raises
    ------
    RecipeError, DataError
        As `check_preventable`.
    """
    refuse_without_shares(catalogue, given=share is not None)
    if share is None:
        return
    if len(share) != len(catalogue.actions):
        raise DataError(
            "preventable_share",
            [f"{len(share)} values: must be {len(catalogue.actions)}, one per action"],
        )
    try:
        missing = sum(map(math.isnan, share))
        outside = sum(not 0.0 <= one <= 1.0 for one in share) - missing
    except TypeError:
        raise DataError("preventable_share", ["not an array of numbers"]) from None
    _refuse_shares(outside, 0 if math.isnan(churn_probability) else missing)


def _refuse_shares(outside: int, missing: int) -> None:
    if outside:
        raise DataError("preventable_share", [f"{outside} values outside 0 to 1"])
    if missing:
        raise DataError(
            "preventable_share",
            [f"{missing} values missing for customers with a churn probability: pass 0 to 1"],
        )
