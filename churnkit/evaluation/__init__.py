"""How good the probabilities are, with the uncertainty of each figure beside it.

Examples
--------
>>> import numpy as np
>>> from churnkit.evaluation import evaluate
>>> churned = np.array([0, 0, 1, 0, 1, 1, 0, 1])
>>> probability = np.array([0.1, 0.2, 0.7, 0.3, 0.6, 0.9, 0.4, 0.35])
>>> evaluate(churned, probability, seed=0).metrics["auc"].value
0.9375
"""

from churnkit.evaluation.comparing import Comparison, compare
from churnkit.evaluation.curves import (
    CalibrationCurve,
    LiftCurve,
    calibration_curve,
    lift_curve,
)
from churnkit.evaluation.evaluating import Evaluation, evaluate
from churnkit.evaluation.experiment import (
    ExperimentReadout,
    SampleRatio,
    read_experiment,
    sample_ratio,
)
from churnkit.evaluation.experiment_power import ExperimentPlan, detectable_effect, plan_experiment
from churnkit.evaluation.experiment_report import ExperimentReport, experiment_report
from churnkit.evaluation.experiment_sequential import sequential_interval
from churnkit.evaluation.interval import Interval
from churnkit.evaluation.learning import (
    Sufficiency,
    history_curve,
    learning_curve,
    window_curve,
)
from churnkit.evaluation.metrics import (
    METRICS,
    Metric,
    auc,
    average_precision,
    brier,
    calibration_error,
    log_loss,
    top_decile_lift,
    top_decile_share,
)
from churnkit.evaluation.overrides import ActionOverrides, count_overrides
from churnkit.evaluation.policy import PolicyEvaluation, evaluate_policy
from churnkit.evaluation.policy_log import PolicyLog
from churnkit.evaluation.policy_overlap import Overlap, overlap
from churnkit.evaluation.policy_reward import Rewards, cross_fitted_rewards
from churnkit.evaluation.policy_verdict import Replacement, may_replace
from churnkit.evaluation.profit import (
    MaximumProfit,
    ProfitCurve,
    expected_max_profit,
    expected_max_profit_b2b,
    max_profit,
    profit_curve,
)
from churnkit.evaluation.profit_costs import (
    CustomerCosts,
    ThresholdRule,
    expected_savings,
    savings,
)
from churnkit.evaluation.ranked import EvaluationError
from churnkit.evaluation.repeated import compare_models, corrected_interval
from churnkit.evaluation.slices import Slice, Slices, slice_metrics
from churnkit.evaluation.survival import (
    SurvivalCalibration,
    integrated_brier,
    survival_brier,
    survival_calibration,
)
from churnkit.evaluation.survival_curve import SurvivalCurve, kaplan_meier, kaplan_meier_by
from churnkit.evaluation.survival_order import concordance
from churnkit.evaluation.uplift import (
    UpliftCurve,
    auuc_score,
    qini_curve,
    qini_score,
    uplift_at_k,
    uplift_curve,
)
from churnkit.evaluation.uplift_value import (
    Rate,
    doubly_robust_scores,
    paired_value,
    rank_average_effect,
    toc_curve,
)

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
