"""Arrays derived from a forest for the engines."""
