"""Plots of results, in the manner of scikit-learn's displays.

A display holds the numbers, and `plot` draws them with matplotlib (extra ``plot``), which is
imported only then. ``from_estimator`` and ``from_predictions`` compute and draw in one call.
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
