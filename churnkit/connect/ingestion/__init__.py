"""Ingestion of sources: pages, the log of versions, and raw tables."""
