"""What customers are worth: how often they will buy again, for how much, and how long they stay.

Names load on first use, as the models need scipy and scikit-learn.

Examples
--------
>>> from churnkit.models.value import ShiftedBetaGeometric
>>> model = ShiftedBetaGeometric().fit_survivors([1000, 631, 468, 382, 326, 289, 262, 241])
>>> model.survival([8, 12]).round(3)
array([0.22, 0.17])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.models.value.beta_geometric import BGNBD, MBGNBD
    from churnkit.models.value.contractual import contractual_value
    from churnkit.models.value.gamma_gamma import GammaGamma
    from churnkit.models.value.holdout import (
        HoldoutFigures,
        RollingHoldout,
        holdout_figures,
        rolling_holdout,
    )
    from churnkit.models.value.lifetime import LifetimeValue, lifetime_value
    from churnkit.models.value.pareto import ParetoNBD
    from churnkit.models.value.renewals import BetaDiscreteWeibull, ShiftedBetaGeometric
    from churnkit.models.value.stored import value_model_from_dict
    from churnkit.models.value.summaries import PurchaseSummary, summarise
    from churnkit.models.value.two_part import ZeroInflatedLognormalValue

_HOMES = {
    "BGNBD": "beta_geometric",
    "MBGNBD": "beta_geometric",
    "BetaDiscreteWeibull": "renewals",
    "GammaGamma": "gamma_gamma",
    "HoldoutFigures": "holdout",
    "LifetimeValue": "lifetime",
    "ParetoNBD": "pareto",
    "PurchaseSummary": "summaries",
    "RollingHoldout": "holdout",
    "ShiftedBetaGeometric": "renewals",
    "ZeroInflatedLognormalValue": "two_part",
    "contractual_value": "contractual",
    "holdout_figures": "holdout",
    "lifetime_value": "lifetime",
    "rolling_holdout": "holdout",
    "summarise": "summaries",
    "value_model_from_dict": "stored",
}

__all__ = [
    "BGNBD",
    "MBGNBD",
    "BetaDiscreteWeibull",
    "GammaGamma",
    "HoldoutFigures",
    "LifetimeValue",
    "ParetoNBD",
    "PurchaseSummary",
    "RollingHoldout",
    "ShiftedBetaGeometric",
    "ZeroInflatedLognormalValue",
    "contractual_value",
    "holdout_figures",
    "lifetime_value",
    "rolling_holdout",
    "summarise",
    "value_model_from_dict",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'churnkit.models.value' has no attribute {name!r}")
    return getattr(import_module(f"churnkit.models.value.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
