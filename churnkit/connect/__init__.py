"""Connections: customers in from CRM, billing and help desk, approved actions out.

>>> from churnkit.connect import Env, Sources, Stripe
>>> list(Sources(billing=Stripe(key=Env("STRIPE_KEY"))))
['billing']
"""

from churnkit._lazy_exports import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__)
