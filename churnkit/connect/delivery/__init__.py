"""Delivery of decisions: the outbox, batches, and destinations."""
