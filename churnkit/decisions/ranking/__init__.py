"""Rank options into slates."""
