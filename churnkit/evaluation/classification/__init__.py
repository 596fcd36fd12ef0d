"""Evaluate binary classifiers."""
