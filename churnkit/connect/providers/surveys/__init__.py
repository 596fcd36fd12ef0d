"""Providers of surveys and reviews."""
