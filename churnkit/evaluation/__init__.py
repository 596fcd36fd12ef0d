"""Evaluation of models, experiments and policies, with an interval for each estimate.

Examples
--------
>>> import numpy as np
>>> from churnkit.evaluation import evaluate
>>> churned = np.array([0, 0, 1, 0, 1, 1, 0, 1])
>>> probability = np.array([0.1, 0.2, 0.7, 0.3, 0.6, 0.9, 0.4, 0.35])
>>> evaluate(churned, probability, seed=0).metrics["auc"].value
0.9375
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
