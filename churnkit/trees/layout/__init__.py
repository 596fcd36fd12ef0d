"""Arrays that the engines read."""
