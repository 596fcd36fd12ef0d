from .budget import BudgetDisplay as BudgetDisplay
from .calibration import CalibrationDisplay as CalibrationDisplay
from .cohorts import CohortDisplay as CohortDisplay
from .cumulative_incidence import CumulativeIncidenceDisplay as CumulativeIncidenceDisplay
from .drift import DriftDisplay as DriftDisplay
from .gains import GainsDisplay as GainsDisplay
from .intervals import IntervalDisplay as IntervalDisplay
from .lifetime_value import LifetimeValueDisplay as LifetimeValueDisplay
from .movements import MovementsDisplay as MovementsDisplay
from .off_policy import OffPolicyDisplay as OffPolicyDisplay
from .profit import ProfitDisplay as ProfitDisplay
from .qini import QiniDisplay as QiniDisplay
from .revenue_forecast import RevenueForecastDisplay as RevenueForecastDisplay
from .roc import RocDisplay as RocDisplay
from .shadow_prices import ShadowPriceDisplay as ShadowPriceDisplay
from .shap import ShapDisplay as ShapDisplay
from .survival import SurvivalDisplay as SurvivalDisplay
from .toc import TocDisplay as TocDisplay

__all__: list[str]
