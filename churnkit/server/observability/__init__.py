"""Logs, metrics and input warnings."""
