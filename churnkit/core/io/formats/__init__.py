"""Readers of file formats other than CSV and Parquet."""
