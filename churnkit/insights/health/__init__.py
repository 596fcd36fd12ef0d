"""Customer health scores."""
