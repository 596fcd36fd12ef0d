"""Assign customers to holdouts by a hash of their id.

A customer is held out when the first 8 bytes of ``SHA-256(salt + ":" + scope + ":" + customer)``,
read as a big-endian number and divided by 2^64, are below the share. The text is UTF-8; the scope
is ``*`` for the global holdout and the name of the action for its own; the customer is the entity
id as text. The assignment is reproducible in any language, and a larger share keeps all customers
of a smaller one.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["GLOBAL", "held_out", "position"]

GLOBAL = "*"
"""Scope of the global holdout, which gets no action."""


def position(salt: str, scope: str, customer: str) -> float:
    """Return a customer's uniform position in [0, 1), the same on every call.

    Examples
    --------
    >>> round(position("retention", "*", "c1"), 6)
    0.189279
    """
    digest = hashlib.sha256(f"{salt}:{scope}:{customer}".encode()).digest()
    # The top 53 bits: exact as a float in every language.
    return (int.from_bytes(digest[:8], "big") >> 11) / 9007199254740992.0


def held_out(salt: str, scope: str, share: float, customers: Sequence[str]) -> NDArray[np.bool_]:
    """Return which customers are held out, (n,).

    Examples
    --------
    >>> held_out("retention", "*", 0.5, ["c1", "c2"]).tolist()
    [True, False]
    """
    if share <= 0.0:
        return np.zeros(len(customers), dtype=np.bool_)
    return np.array(
        [position(salt, scope, customer) < share for customer in customers], dtype=np.bool_
    )
