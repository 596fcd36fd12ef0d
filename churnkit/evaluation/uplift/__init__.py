"""Metrics of uplift models and of treatment policies in experiments."""
