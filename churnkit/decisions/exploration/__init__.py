"""Exploration with exact propensities."""
