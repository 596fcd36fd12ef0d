from .customers.cohorts import CohortDisplay as CohortDisplay
from .customers.cumulative_incidence import CumulativeIncidenceDisplay as CumulativeIncidenceDisplay
from .customers.lifetime_value import LifetimeValueDisplay as LifetimeValueDisplay
from .customers.movements import MovementsDisplay as MovementsDisplay
from .customers.revenue_forecast import RevenueForecastDisplay as RevenueForecastDisplay
from .customers.survival import SurvivalDisplay as SurvivalDisplay
from .decisions.budget import BudgetDisplay as BudgetDisplay
from .decisions.intervals import IntervalDisplay as IntervalDisplay
from .decisions.off_policy import OffPolicyDisplay as OffPolicyDisplay
from .decisions.qini import QiniDisplay as QiniDisplay
from .decisions.shadow_prices import ShadowPriceDisplay as ShadowPriceDisplay
from .decisions.toc import TocDisplay as TocDisplay
from .predictions.calibration import CalibrationDisplay as CalibrationDisplay
from .predictions.drift import DriftDisplay as DriftDisplay
from .predictions.gains import GainsDisplay as GainsDisplay
from .predictions.profit import ProfitDisplay as ProfitDisplay
from .predictions.roc import RocDisplay as RocDisplay
from .predictions.shap import ShapDisplay as ShapDisplay

__all__: list[str]
