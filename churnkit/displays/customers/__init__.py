"""Plots of the customer base: retention, lifetime value and revenue."""
