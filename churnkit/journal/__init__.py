"""Append-only journal of decisions and outcomes, on SQLite or PostgreSQL.

>>> from churnkit.journal import Journal
>>> Journal.__name__
'Journal'
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
