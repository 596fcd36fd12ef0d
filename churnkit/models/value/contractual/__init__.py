"""Lifetime value under contracts."""
