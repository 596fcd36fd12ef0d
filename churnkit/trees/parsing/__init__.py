"""Parse fitted boosters."""
