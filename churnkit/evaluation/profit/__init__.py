"""Expected and maximum profit."""
