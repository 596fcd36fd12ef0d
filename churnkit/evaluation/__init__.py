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
from churnkit.evaluation.interval import Interval
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
from churnkit.evaluation.ranked import EvaluationError

__all__ = [
    "METRICS",
    "CalibrationCurve",
    "Comparison",
    "Evaluation",
    "EvaluationError",
    "Interval",
    "LiftCurve",
    "Metric",
    "auc",
    "average_precision",
    "brier",
    "calibration_curve",
    "calibration_error",
    "compare",
    "evaluate",
    "lift_curve",
    "log_loss",
    "top_decile_lift",
    "top_decile_share",
]
