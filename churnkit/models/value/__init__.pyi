from .contractual.sbg_bdw import BetaDiscreteWeibull as BetaDiscreteWeibull
from .contractual.sbg_bdw import ShiftedBetaGeometric as ShiftedBetaGeometric
from .contractual.value import contractual_value as contractual_value
from .gamma_gamma import GammaGamma as GammaGamma
from .holdout import HoldoutFigures as HoldoutFigures
from .holdout import RollingHoldout as RollingHoldout
from .holdout import holdout_figures as holdout_figures
from .holdout import rolling_holdout as rolling_holdout
from .lifetime import LifetimeValue as LifetimeValue
from .lifetime import lifetime_value as lifetime_value
from .purchase.bg_nbd import BGNBD as BGNBD
from .purchase.bg_nbd import MBGNBD as MBGNBD
from .purchase.pareto_nbd import ParetoNBD as ParetoNBD
from .purchase.purchase_time import NextPurchase as NextPurchase
from .revenue_forecast import RevenueForecast as RevenueForecast
from .revenue_forecast import forecast_revenue as forecast_revenue
from .rfm_summary import PurchaseSummary as PurchaseSummary
from .rfm_summary import summarize as summarize
from .serialization import value_model_from_dict as value_model_from_dict
from .ziln import ZeroInflatedLognormalValue as ZeroInflatedLognormalValue

__all__: list[str]
