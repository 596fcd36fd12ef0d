"""Optional parts of a bundle."""
