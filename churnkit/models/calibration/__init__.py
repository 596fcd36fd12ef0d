"""Probability calibration."""
