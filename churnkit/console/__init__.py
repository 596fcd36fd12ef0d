"""The report served with filters, and a daily list for those who keep customers."""

from __future__ import annotations

from churnkit.console.app import ConsoleApp
from churnkit.console.customer_list import CustomerList, read_roster

__all__ = ["ConsoleApp", "CustomerList", "read_roster"]
