"""Pushes of approved actions from the console."""
