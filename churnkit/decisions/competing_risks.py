"""Share of a customer's churn risk that each action can prevent, by the causes of churn.

A call does not mend a card: an action with ``prevents=("voluntary",)`` acts on the risk of leaving
for this cause only. The preventable risk is ``churn_probability x share``, where the share is the
cumulative incidence of the action's causes over that of all causes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from churnkit.errors import DataError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from churnkit.decisions.catalogue.catalogue import Catalogue

__all__ = ["check_causes", "check_preventable", "preventable_shares", "refuse_without_shares"]


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
    catalogue: Catalogue, share: NDArray[np.float64] | None, shape: tuple[int, int]
) -> NDArray[np.float64] | None:
    """Return the shares of n customers and m actions if they are valid.

    Raises
    ------
    RecipeError
        If an action prevents some causes only and there are no shares.
    DataError
        If the shape differs, or a share is outside 0 to 1.
    """
    refuse_without_shares(catalogue, given=share is not None)
    if share is None:
        return None
    if share.shape != shape:
        raise DataError("preventable_share", [f"shape {share.shape}: must be {shape}"])
    invalid = int(np.count_nonzero((share < 0.0) | (share > 1.0)))
    if invalid:
        raise DataError("preventable_share", [f"{invalid} values outside 0 to 1"])
    return share
