"""Keep watch after launch: new rows against the training's, forecasts against what came."""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
