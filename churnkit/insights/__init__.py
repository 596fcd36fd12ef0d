"""Retention metrics, segments, drivers and customer feedback, computed from raw tables in SQL.

>>> from datetime import datetime
>>> from churnkit.insights import retention_metrics
>>> orders = [
...     {"customer": "a", "date": datetime(2025, 1, 9), "amount": 5.0},
...     {"customer": "a", "date": datetime(2025, 2, 9), "amount": 5.0},
...     {"customer": "b", "date": datetime(2025, 2, 9), "amount": 5.0},
... ]
>>> retention_metrics({"orders": orders})["repeat_rate"].value
0.5
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
