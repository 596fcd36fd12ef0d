"""Alerts: rules on scores and raw tables, and the messages that they send."""
