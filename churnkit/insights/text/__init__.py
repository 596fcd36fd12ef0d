"""Analyze what customers write."""
