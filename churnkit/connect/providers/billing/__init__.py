"""Providers of billing."""
