"""Table contracts: schemas as data that is stored with every model.

Declaring a schema imports pandera; validating and encoding with a contract does not, so the
names of this package are imported on first use.
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
