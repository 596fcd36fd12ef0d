"""Columns of raw data that show the outcome."""
