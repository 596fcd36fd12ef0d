"""Batch jobs on files, databases and Spark: score, plan, rank, learn and erase."""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
