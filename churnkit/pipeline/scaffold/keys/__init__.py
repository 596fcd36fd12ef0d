"""Infer the key columns of a table: customer, date and label."""
