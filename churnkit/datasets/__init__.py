"""Public data sets, and a simulated business with known ground truth.

>>> from churnkit.datasets import simulate
>>> business = simulate(customers=200, months=12, seed=7)
>>> business.tables["customers"].num_rows
200
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
