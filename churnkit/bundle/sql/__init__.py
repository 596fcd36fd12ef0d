"""A model as one SQL statement."""
