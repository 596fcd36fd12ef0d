"""Who is likely to leave: estimators, what they save, and calibrated probabilities.

Names load on first use: scorers and calibration need numpy alone, estimators scikit-learn,
and trees lightgbm.

Examples
--------
>>> from churnkit.models import LogisticModel
>>> LogisticModel(C=1.0).fit([[1.0], [2.0], [8.0], [9.0]], [0, 0, 1, 1]).predict([[8.5]])
array([1])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from churnkit.models.bandit import BanditBatch, LinearBandit
    from churnkit.models.boosted import BoostedTrees
    from churnkit.models.calibrating import Calibrated, calibrate
    from churnkit.models.calibration import Calibration
    from churnkit.models.classifier import ChurnClassifier
    from churnkit.models.ensemble import EnsembleScorer
    from churnkit.models.hazard import HazardModel
    from churnkit.models.hazard_scorer import HazardScorer
    from churnkit.models.linear import LinearScorer
    from churnkit.models.logistic import LogisticModel
    from churnkit.models.oblivious import ObliviousTrees
    from churnkit.models.refusals import ModelDataError
    from churnkit.models.rule import SingleFeatureRule
    from churnkit.models.scorer import Scorer, load_scorer
    from churnkit.models.tuning import Tuning
    from churnkit.models.uplift import UpliftModel
    from churnkit.models.uplift_rows import OverlapError, OverlapWarning
    from churnkit.models.uplift_scorer import UpliftScorer
    from churnkit.models.uplift_verdict import UpliftVerdict

__all__ = [
    "BanditBatch",
    "BoostedTrees",
    "Calibrated",
    "Calibration",
    "ChurnClassifier",
    "EnsembleScorer",
    "HazardModel",
    "HazardScorer",
    "LinearBandit",
    "LinearScorer",
    "LogisticModel",
    "ModelDataError",
    "ObliviousTrees",
    "OverlapError",
    "OverlapWarning",
    "Scorer",
    "SingleFeatureRule",
    "Tuning",
    "UpliftModel",
    "UpliftScorer",
    "UpliftVerdict",
    "calibrate",
    "load_scorer",
]

_HOMES = {
    "BanditBatch": "bandit",
    "LinearBandit": "bandit",
    "BoostedTrees": "boosted",
    "Calibrated": "calibrating",
    "Calibration": "calibration",
    "ChurnClassifier": "classifier",
    "EnsembleScorer": "ensemble",
    "HazardModel": "hazard",
    "HazardScorer": "hazard_scorer",
    "LinearScorer": "linear",
    "LogisticModel": "logistic",
    "ModelDataError": "refusals",
    "ObliviousTrees": "oblivious",
    "Scorer": "scorer",
    "SingleFeatureRule": "rule",
    "Tuning": "tuning",
    "UpliftModel": "uplift",
    "UpliftScorer": "uplift_scorer",
    "UpliftVerdict": "uplift_verdict",
    "OverlapError": "uplift_rows",
    "OverlapWarning": "uplift_rows",
    "calibrate": "calibrating",
    "load_scorer": "scorer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'churnkit.models' has no attribute {name!r}")
    return getattr(import_module(f"churnkit.models.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
