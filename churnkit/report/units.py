"""Values of customers, and the currency, period and horizons of a model's amounts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from churnkit.bundle.model import RetentionModel
    from churnkit.contracts.encoding.encoded import Encoded

__all__ = ["currency_of", "customer_values", "gain_span", "horizon_days", "value_period"]


def _value_unit(model: RetentionModel) -> str:
    column = model.contract.value
    return (column.unit or "") if column is not None else ""


def currency_of(model: RetentionModel) -> str:
    """Return the currency of the value column, from a unit such as ``USD a month``.

    Parameters
    ----------
    model
        A trained model.

    Returns
    -------
    str
        ISO 4217 code; empty if the contract has no value column or its unit has no currency.
    """
    first = _value_unit(model).split(" ")[0]
    return first if len(first) == 3 and first.isupper() else ""


def value_period(model: RetentionModel) -> str:
    """Return the period of the value column: ``"a month"``, or ``"a period"`` if unknown."""
    match = re.search(r" (?:a|per) (.+)", _value_unit(model))
    return f"a {match[1]}" if match else "a period"


def gain_span(model: RetentionModel) -> str:
    """Return the time over which a retained customer's value counts: ``"12 months"``.

    Empty for a model without actions.
    """
    if model.contents.catalogue is None:
        return ""
    periods = model.contents.catalogue.periods
    return f"{periods:g} {value_period(model).removeprefix('a ')}{'' if periods == 1 else 's'}"


def horizon_days(model: RetentionModel) -> int | None:
    """Return the days that the churn probability looks ahead; None without a timeline."""
    timeline = model.contents.timeline
    return None if timeline is None else int(getattr(timeline.label, "horizon_days", 0)) or None


def customer_values(model: RetentionModel, encoded: Encoded) -> NDArray[np.float64] | None:
    """Return each customer's value of one period, (n,); None without a value column."""
    column = model.contract.value
    names = [encoded_column.name for encoded_column in model.contract.encoded("recommend")]
    if column is None or column.name not in names[: encoded.matrix.shape[1]]:
        return None
    values: NDArray[np.float64] = encoded.matrix[:, names.index(column.name)]
    return values
