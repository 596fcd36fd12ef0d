"""Rows of a training: read, filtered, split and encoded."""
