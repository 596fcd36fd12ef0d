"""Design and read experiments."""
