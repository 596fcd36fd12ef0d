"""Owners, snoozes, tasks, notes and views of customers, in the journal's database."""
