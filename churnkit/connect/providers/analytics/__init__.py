"""Providers of product analytics."""
