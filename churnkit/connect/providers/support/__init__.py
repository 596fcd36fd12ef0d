"""Providers of help desks."""
