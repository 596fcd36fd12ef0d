"""Score and plan on Spark."""
