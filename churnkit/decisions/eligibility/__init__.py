"""Decide which actions a customer may get."""
