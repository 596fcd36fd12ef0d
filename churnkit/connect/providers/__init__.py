"""Descriptions of providers, one file each."""
