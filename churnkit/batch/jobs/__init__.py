"""Batch jobs: score, plan, rank, learn, erase."""
