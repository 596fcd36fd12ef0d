"""Drift of columns and label-free performance estimation."""
