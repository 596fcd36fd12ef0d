"""Data to try things on: public data sets, and a simulated business whose truth is known.

>>> from churnkit.datasets import simulate
>>> business = simulate(customers=200, months=12, seed=7)
>>> business.tables["customers"].num_rows
200

Importing this package imports neither pandas nor pyarrow; what needs them loads on first use.
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
