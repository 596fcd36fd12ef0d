"""Customer lifetime value: purchase frequency, spend and contract duration.

Names load on first use, as the models need scipy and scikit-learn.

Examples
--------
>>> from churnkit.models.value import ShiftedBetaGeometric
>>> model = ShiftedBetaGeometric().fit_survivors([1000, 631, 468, 382, 326, 289, 262, 241])
>>> model.survival([8, 12]).round(3)
array([0.22, 0.17])
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
