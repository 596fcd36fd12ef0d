"""Uplift models."""
