"""Providers of customer relationship management."""
