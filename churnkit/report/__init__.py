"""Retention report: one offline HTML page of aggregates.

>>> from datetime import datetime
>>> from churnkit.report import build_report
>>> orders = [{"customer": "a", "date": datetime(2025, 1, 9), "amount": 5.0}]
>>> report = build_report({"orders": orders})
>>> report.summary["as_of"]
'2025-01-10'
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
