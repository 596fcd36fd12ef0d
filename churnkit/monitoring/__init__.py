"""Monitoring after deployment: drift of new rows, and realized against predicted churn."""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
