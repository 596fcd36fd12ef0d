"""Roles of the console's visitors."""

from __future__ import annotations

from typing import Final

__all__ = ["ROLES"]

ROLES: Final = ("viewer", "agent", "manager", "admin")
"""Roles, each with the rights of those before it."""
