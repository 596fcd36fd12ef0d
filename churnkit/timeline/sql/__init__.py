"""Compile timelines to SQL."""
