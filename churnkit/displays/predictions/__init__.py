"""Plots of predictions: how good they are, why, and whether they age."""
