"""Destinations of actions."""
