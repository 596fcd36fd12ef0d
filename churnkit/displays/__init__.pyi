from .budget import BudgetDisplay as BudgetDisplay
from .calibration import CalibrationDisplay as CalibrationDisplay
from .drift import DriftDisplay as DriftDisplay
from .gains import GainsDisplay as GainsDisplay
from .off_policy import OffPolicyDisplay as OffPolicyDisplay
from .profit import ProfitDisplay as ProfitDisplay
from .qini import QiniDisplay as QiniDisplay
from .shap import ShapDisplay as ShapDisplay
from .survival import SurvivalDisplay as SurvivalDisplay

__all__: list[str]
