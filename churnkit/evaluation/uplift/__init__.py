"""Evaluate uplift models."""
