"""Structure of raw tables: keys, times, numbers and categories."""
