from churnkit.core.stats.interval import Interval as Interval

from .classification.compare import Comparison as Comparison
from .classification.compare import compare as compare
from .classification.curves import CalibrationCurve as CalibrationCurve
from .classification.curves import LiftCurve as LiftCurve
from .classification.curves import calibration_curve as calibration_curve
from .classification.curves import lift_curve as lift_curve
from .classification.evaluate import Evaluation as Evaluation
from .classification.evaluate import evaluate as evaluate
from .classification.learning_curves import Sufficiency as Sufficiency
from .classification.learning_curves import history_curve as history_curve
from .classification.learning_curves import learning_curve as learning_curve
from .classification.learning_curves import window_curve as window_curve
from .classification.metrics import METRICS as METRICS
from .classification.metrics import Metric as Metric
from .classification.metrics import auc as auc
from .classification.metrics import average_precision as average_precision
from .classification.metrics import brier as brier
from .classification.metrics import calibration_error as calibration_error
from .classification.metrics import log_loss as log_loss
from .classification.metrics import top_decile_lift as top_decile_lift
from .classification.metrics import top_decile_share as top_decile_share
from .classification.repeated_cv import compare_models as compare_models
from .classification.repeated_cv import corrected_interval as corrected_interval
from .classification.slices import Slice as Slice
from .classification.slices import Slices as Slices
from .classification.slices import slice_metrics as slice_metrics
from .experiments.ab_test import ExperimentReadout as ExperimentReadout
from .experiments.ab_test import SampleRatio as SampleRatio
from .experiments.ab_test import read_experiment as read_experiment
from .experiments.ab_test import sample_ratio as sample_ratio
from .experiments.confidence_sequence import sequential_interval as sequential_interval
from .experiments.holdout_report import ExperimentReport as ExperimentReport
from .experiments.holdout_report import experiment_report as experiment_report
from .experiments.overrides import ActionOverrides as ActionOverrides
from .experiments.overrides import count_overrides as count_overrides
from .experiments.power import ExperimentPlan as ExperimentPlan
from .experiments.power import detectable_effect as detectable_effect
from .experiments.power import plan_experiment as plan_experiment
from .off_policy.evaluate import PolicyEvaluation as PolicyEvaluation
from .off_policy.evaluate import evaluate_policy as evaluate_policy
from .off_policy.log import PolicyLog as PolicyLog
from .off_policy.overlap import Overlap as Overlap
from .off_policy.overlap import overlap as overlap
from .off_policy.replacement_test import Replacement as Replacement
from .off_policy.replacement_test import may_replace as may_replace
from .off_policy.reward_models import Rewards as Rewards
from .off_policy.reward_models import cross_fitted_rewards as cross_fitted_rewards
from .profit.cost_matrix import CustomerCosts as CustomerCosts
from .profit.cost_matrix import ThresholdRule as ThresholdRule
from .profit.cost_matrix import expected_savings as expected_savings
from .profit.cost_matrix import savings as savings
from .profit.maximum_profit import MaximumProfit as MaximumProfit
from .profit.maximum_profit import ProfitCurve as ProfitCurve
from .profit.maximum_profit import expected_max_profit as expected_max_profit
from .profit.maximum_profit import expected_max_profit_b2b as expected_max_profit_b2b
from .profit.maximum_profit import max_profit as max_profit
from .profit.maximum_profit import profit_curve as profit_curve
from .survival.concordance import concordance as concordance
from .survival.kaplan_meier import SurvivalCurve as SurvivalCurve
from .survival.kaplan_meier import kaplan_meier as kaplan_meier
from .survival.kaplan_meier import kaplan_meier_by as kaplan_meier_by
from .survival.metrics import SurvivalCalibration as SurvivalCalibration
from .survival.metrics import integrated_brier as integrated_brier
from .survival.metrics import survival_brier as survival_brier
from .survival.metrics import survival_calibration as survival_calibration
from .uplift.qini import UpliftCurve as UpliftCurve
from .uplift.qini import auuc_score as auuc_score
from .uplift.qini import qini_curve as qini_curve
from .uplift.qini import qini_score as qini_score
from .uplift.qini import uplift_at_k as uplift_at_k
from .uplift.qini import uplift_curve as uplift_curve
from .uplift.rate import Rate as Rate
from .uplift.rate import doubly_robust_scores as doubly_robust_scores
from .uplift.rate import paired_value as paired_value
from .uplift.rate import rank_average_effect as rank_average_effect
from .uplift.rate import toc_curve as toc_curve
from .validation import EvaluationError as EvaluationError

__all__ = [
    "METRICS",
    "ActionOverrides",
    "CalibrationCurve",
    "Comparison",
    "CustomerCosts",
    "Evaluation",
    "EvaluationError",
    "ExperimentPlan",
    "ExperimentReadout",
    "ExperimentReport",
    "Interval",
    "LiftCurve",
    "MaximumProfit",
    "Metric",
    "Overlap",
    "PolicyEvaluation",
    "PolicyLog",
    "ProfitCurve",
    "Rate",
    "Replacement",
    "Rewards",
    "SampleRatio",
    "Slice",
    "Slices",
    "Sufficiency",
    "SurvivalCalibration",
    "SurvivalCurve",
    "ThresholdRule",
    "UpliftCurve",
    "auc",
    "auuc_score",
    "average_precision",
    "brier",
    "calibration_curve",
    "calibration_error",
    "compare",
    "compare_models",
    "concordance",
    "corrected_interval",
    "count_overrides",
    "cross_fitted_rewards",
    "detectable_effect",
    "doubly_robust_scores",
    "evaluate",
    "evaluate_policy",
    "expected_max_profit",
    "expected_max_profit_b2b",
    "expected_savings",
    "experiment_report",
    "history_curve",
    "integrated_brier",
    "kaplan_meier",
    "kaplan_meier_by",
    "learning_curve",
    "lift_curve",
    "log_loss",
    "max_profit",
    "may_replace",
    "overlap",
    "paired_value",
    "plan_experiment",
    "profit_curve",
    "qini_curve",
    "qini_score",
    "rank_average_effect",
    "read_experiment",
    "sample_ratio",
    "savings",
    "sequential_interval",
    "slice_metrics",
    "survival_brier",
    "survival_calibration",
    "toc_curve",
    "top_decile_lift",
    "top_decile_share",
    "uplift_at_k",
    "uplift_curve",
    "window_curve",
]
