"""Fitted models as arrays that score without their training library."""
