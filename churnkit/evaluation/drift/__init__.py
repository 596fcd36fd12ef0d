"""Drift and label-free performance estimation."""
