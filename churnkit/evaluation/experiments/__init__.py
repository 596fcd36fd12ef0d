"""Design and analysis of holdout experiments."""
