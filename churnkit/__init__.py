"""Churn prediction, lifetime value and retention decisions from a company's own tables.

>>> import churnkit
>>> churnkit.__version__
'0.1.0'
"""

from churnkit._lazy_exports import attach_stub

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = attach_stub(__name__)
__all__ += ["__version__"]
