"""Destinations of CRM systems."""
