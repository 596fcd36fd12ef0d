"""Evaluate models and policies from tables or the journal."""
