"""Model bundles: one folder, no pickle, a digest for every byte."""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
