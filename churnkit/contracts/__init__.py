"""What a table must look like, as data that travels with every model.

Declaring a schema imports pandera; reading, checking and encoding with a contract does not,
so the names of this package load on first use.
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
