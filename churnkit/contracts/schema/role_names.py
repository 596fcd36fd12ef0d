"""The words that a contract knows: the roles of columns and the key they are kept under."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["METADATA_KEY", "ROLES", "Role"]

METADATA_KEY = "churnkit"

Role = Literal[
    "entity",  # who the row is about
    "as_of",  # the date it is known at
    "feature",  # what the model may read
    "label",  # what is predicted
    "value",  # what the customer is worth for one period, in money
    "treatment",  # the action that was taken
    "propensity",  # the probability with which it was taken
    "cost",  # what an action costs for this customer, in money
    "context",  # what decisions may read and the model may not: consent, channel, region
    "pii",  # personal data: never read, stored or logged
    "ignore",  # known and unused
]
ROLES: tuple[str, ...] = get_args(Role)
