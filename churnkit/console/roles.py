"""Roles of the console's visitors."""

from __future__ import annotations

from typing import Final

from churnkit.core.translation import mark_text

__all__ = ["ROLES"]

ROLES: Final = (
    mark_text("viewer"), mark_text("agent"), mark_text("manager"), mark_text("admin"),
)  # fmt: skip
"""Roles, each with the rights of those before it."""
