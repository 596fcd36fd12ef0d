from . import value as value
from .bandit.linear import BanditBatch as BanditBatch
from .bandit.linear import LinearBandit as LinearBandit
from .calibration.fit import CalibrationResult as CalibrationResult
from .calibration.fit import calibrate as calibrate
from .calibration.maps import Calibration as Calibration
from .churn_classifier import ChurnClassifier as ChurnClassifier
from .classifiers.catboost import CatBoostTrees as CatBoostTrees
from .classifiers.lightgbm import LightGBMTrees as LightGBMTrees
from .classifiers.logistic import LogisticModel as LogisticModel
from .classifiers.one_rule import SingleFeatureRule as SingleFeatureRule
from .errors import ModelDataError as ModelDataError
from .frame_encoder import FrameEncoder as FrameEncoder
from .frame_encoder import UnknownCategoryWarning as UnknownCategoryWarning
from .scorers.additive import LinearScorer as LinearScorer
from .scorers.base import Scorer as Scorer
from .scorers.base import load_scorer as load_scorer
from .scorers.ensemble import EnsembleScorer as EnsembleScorer
from .selection.optuna_search import Tuning as Tuning
from .survival.hazard_model import HazardModel as HazardModel
from .survival.scorer import HazardScorer as HazardScorer
from .uplift.model import UpliftModel as UpliftModel
from .uplift.policy_test import UpliftVerdict as UpliftVerdict
from .uplift.scorer import UpliftScorer as UpliftScorer
from .uplift.validation import OverlapError as OverlapError
from .uplift.validation import OverlapWarning as OverlapWarning

__all__: list[str]
