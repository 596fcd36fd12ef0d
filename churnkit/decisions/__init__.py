"""Retention decisions: catalogues, expected gains, allocation and rankings.

>>> from churnkit.decisions import Action, Catalogue, Effect, Where
>>> offer = Action("offer", "20% off", 40.0, Effect(0.1, 0.2, 0.3), (Where("age", ">=", 18),))
>>> Catalogue(actions=(offer,), periods=12).names
('offer',)
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
