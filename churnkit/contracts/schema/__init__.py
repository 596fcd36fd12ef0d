"""Schemas: fields, roles, checks, and their compilation."""
