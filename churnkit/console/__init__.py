"""The report served with filters, and a daily list for those who keep customers."""

from __future__ import annotations

from churnkit.console.desk import Desk
from churnkit.console.roster import Roster, read_roster

__all__ = ["Desk", "Roster", "read_roster"]
