"""Encode rows and tables as feature matrices."""
