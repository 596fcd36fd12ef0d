"""Find dates after the as-of date that a schema states for tables without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from churnkit.contracts.contract import Contract

__all__ = ["describe_later_dates"]


def describe_later_dates(contract: Contract, X: NDArray[np.float64]) -> tuple[str, ...]:
    """Describe the dates of a training table that was exported after the default as-of date.

    Parameters
    ----------
    contract
        Of the table.
    X
        Its encoded features, (n, f).

    Returns
    -------
    tuple of str
        A sentence, or none. Columns of which half of the dates are later, such as the end of a
        contract, do not count.

    Examples
    --------
    >>> from churnkit.contracts import Column, Contract
    >>> gym = Contract("gym", (
    ...     Column("id", "string", ("entity",)),
    ...     Column("joined", "datetime", ("feature",)),
    ...     Column("day", "datetime", ("as_of",), default="2025-03-31"),
    ... ))
    >>> describe_later_dates(gym, np.array([[400.0], [12.0], [-30.0]]))[0][:57]
    "'joined' has dates after 2025-03-31 in 1 of 3 rows: if th"
    >>> describe_later_dates(gym, np.array([[400.0], [12.0], [0.0]]))
    ()
    """
    as_of = contract.as_of
    if as_of is None or as_of.default is None:
        return ()
    later = {}
    for position in contract.date_features:
        days = X[:, position]
        # The default is the beginning of a day, of which the table may have times.
        count = int((days <= -1.0).sum())
        if count and np.nanmedian(days) >= 0:
            later[contract.features[position].name] = count
    if not later:
        return ()
    name = max(later, key=lambda each: later[each])
    sentence = (
        f"'{name}' has dates after {as_of.default} in {later[name]:,} of {len(X):,} rows: if the table "
        f"was exported later, write that day in the schema as the default of '{as_of.name}'"
    )
    return (sentence,)
