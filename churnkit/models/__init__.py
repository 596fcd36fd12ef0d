"""Estimators of churn, survival, uplift and value, their scorers, and calibration.

Names load on first use: scorers and calibration need numpy alone, estimators scikit-learn,
and trees LightGBM.

Examples
--------
>>> from churnkit.models import LogisticModel
>>> LogisticModel(C=1.0).fit([[1.0], [2.0], [8.0], [9.0]], [0, 0, 1, 1]).predict([[8.5]])
array([1])
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
