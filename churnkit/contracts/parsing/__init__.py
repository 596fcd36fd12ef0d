"""Parse cells and columns into typed values."""
