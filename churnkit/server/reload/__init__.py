"""Reload models, prices and bandit states while serving."""
