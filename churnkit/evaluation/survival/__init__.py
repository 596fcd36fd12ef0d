"""Evaluate survival models."""
