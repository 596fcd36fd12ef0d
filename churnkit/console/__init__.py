"""Web console: the report with filters, a list of customers to act on, and approvals."""

from __future__ import annotations

from churnkit.console.app import ConsoleApp
from churnkit.console.customer_list import CustomerList, read_customer_list

__all__ = ["ConsoleApp", "CustomerList", "read_customer_list"]
