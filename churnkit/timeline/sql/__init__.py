"""Compile feature sets to SQL."""
