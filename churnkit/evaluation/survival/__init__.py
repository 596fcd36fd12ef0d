"""Survival curves and metrics of survival models."""
