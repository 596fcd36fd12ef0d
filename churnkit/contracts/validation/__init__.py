"""Validate tables against a contract."""
